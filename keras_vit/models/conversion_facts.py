"""When and with what a checkpoint of another library became ours: noted when it is written, for its card."""

import contextlib
import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from keras_vit import hub


def note(model: Any, date: str | None = None) -> None:
    """Notes in the provenance that the weights are a conversion, unless that is known already, or they are none.

    Args:
        model: A model about to be written.
        date: Year-month-day; None means today, in UTC.
    """
    if "conversion" in model.provenance or not _is_of_others(model.load_report):
        return
    date = date or datetime.datetime.now(datetime.UTC).date().isoformat()
    model.provenance = {**model.provenance, "conversion": {"date": date, "version": version("keras3-vit")}}


def _is_of_others(report: Any) -> bool:
    """Tells whether loaded weights came in another library's form: without the section that keras_vit writes."""
    if report is None:
        return False
    with contextlib.suppress(OSError, ValueError):
        return "keras_vit" not in hub.read_config(Path(report.source).parent)
    return Path(report.source).is_file()  # weights that need no config.json, as Google's
