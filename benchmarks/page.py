"""The page of an experiment: its text, how it was made, and on what machine."""

from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine


def write_page(out: Path, name: str, command: str, text: str, meter: machine.BusyMeter) -> Path:
    """Writes the page, dated, and returns its path without the suffix."""
    import keras

    out.mkdir(parents=True, exist_ok=True)
    base = out / f"{datetime.now(UTC):%Y-%m-%d}-{name}"
    busy = f"- backend: {keras.config.backend()}\n- other programs took {meter.others()} of the cores"
    facts = f"{machine.describe()}\n{busy}"
    base.with_suffix(".md").write_text(f"{text.strip()}\n\nMade by `{command}`.\n\n{facts}\n", encoding="utf-8")
    return base
