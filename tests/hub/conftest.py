"""What tests of the Hub share: a clock that does not wait."""

import time

import pytest


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Lets waits between tries end at once; returns the list of their seconds."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits
