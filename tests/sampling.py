"""Samples of long lists of cases: some are in the default suite, or in CI, the rest run on request."""

import os
from collections.abc import Collection, Iterable
from typing import Any

import pytest


def sample(cases: Iterable[Any], every: int) -> list[Any]:
    """Returns the cases, all slow but the first and every so many after it."""
    return [case if index % every == 0 else _slow(case) for index, case in enumerate(cases)]


# Set KERAS_VIT_PARITY=some to compare with live timm one of each kind only: all of them are for changes of models.
IS_SHORT = os.environ.get("KERAS_VIT_PARITY") == "some"


def of_each_kind(cases: Iterable[Any], kinds: Collection[Any]) -> list[Any]:
    """Returns the cases, or, where the comparisons are to be short, those among `kinds`."""
    return [case for case in cases if case in kinds or not IS_SHORT]


def _slow(case: Any) -> Any:
    if hasattr(case, "values") and hasattr(case, "marks"):  # a pytest.param
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.slow])
    return pytest.param(case, marks=pytest.mark.slow)
