"""Options that several commands share: how their text becomes settings."""

import json
from typing import Any


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """NAME=VALUE, the value as JSON writes it; what is no JSON is text."""
    settings: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise ValueError(f"--set needs NAME=VALUE, as layer_decay=0.7; got {text!r}.")
        try:
            settings[name.strip()] = json.loads(value)
        except ValueError:
            settings[name.strip()] = value.strip()
    return settings


def parse_image_size(text: str | None) -> int | tuple[int, ...] | None:
    """64, or HEIGHTxWIDTH."""
    if text is None:
        return None
    try:
        sizes = tuple(int(size) for size in text.lower().split("x"))
    except ValueError:
        raise ValueError(f"--image-size needs pixels, as 64 or 48x64; got {text!r}.") from None
    return sizes[0] if len(sizes) == 1 else sizes


def folder_name(data: str | None) -> str:
    """tfds:cifar10 -> cifar10; photos/pets/ -> pets."""
    from keras_vit.training.run_settings import dataset_name

    return dataset_name(data or "digits").removeprefix("tfds:").replace("/", "_").replace(":", "_")
