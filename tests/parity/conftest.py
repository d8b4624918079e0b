"""Shared set-up of the comparisons with live timm and transformers."""

import sys
import types
from pathlib import Path

import pytest

# torchvision's compiled operators do not load beside a CPU build of torch, and its registrations fail at import. The
# references never call those operators, so an empty module in place of the registrations is enough.
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves these files unread in the default suite, which runs without torch; with -m parity a missing one fails."""
    chosen = config.getoption("markexpr")
    return True if "parity" not in chosen or "not parity" in chosen else None
