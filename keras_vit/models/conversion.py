"""Conversion: a checkpoint of any layout becomes a preset folder, or one that transformers reads."""

import os
from typing import Any

from keras_vit.models import conversion_facts
from keras_vit.models.vision_model import VisionModel, from_preset

TARGETS = ("timm", "transformers")


def convert(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    to: str = "timm",
    *,
    certify: bool = True,
    **arguments: Any,
) -> VisionModel:
    """Reads a checkpoint, writes it for others, and returns the model; its `load_report` tells what was read.

    Args:
        source: Anything that `from_preset` takes.
        folder: Where to write.
        to: "timm": a preset folder, which keras_vit, timm and transformers (through timm) load. "transformers": one
            that transformers loads as a model of its own.
        certify: Whether a preset folder records what the model returns, so that `model.verify()` can check it anywhere.
        arguments: Further arguments of `from_preset`.

    Raises:
        ValueError: `to` is unknown, the source cannot be read, or transformers has no model like this one.
        OSError: The folder cannot be written; an older one stays as it was.
    """
    if to not in TARGETS:
        raise ValueError(f"convert needs `to` to be one of {', '.join(TARGETS)}; got {to=}.")
    model = from_preset(source, **arguments)
    conversion_facts.note(model)
    if to == "timm":
        model.save_to_preset(folder, certify=certify)
    else:
        model.save_for_transformers(folder)
    return model
