"""Facts about a data set by which a resumed run notices that the data has changed: names, sizes and counts."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit.preprocessing.images import ImageLike


def image_facts(items: Sequence[ImageLike], labels: np.ndarray, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Returns the facts about some images: for each class how many, and a digest of their names and sizes.

    Files are named from the folder that all of them lie in, and not read; arrays are taken as they are.

    Args:
        items: Paths or arrays.
        labels: (num_images,) class numbers.
        class_names: In the order of the class numbers.
    """
    paths = [os.path.abspath(item) for item in items if isinstance(item, str | os.PathLike)]
    base = os.path.commonpath(paths) if paths else ""
    facts: dict[str, Any] = {"classes": ", ".join(class_names)}
    for label, name in enumerate(class_names):
        members = [items[index] for index in np.flatnonzero(labels == label).tolist()]
        facts[f"number of images of {name!r}"] = len(members)
        facts[f"images of {name!r}"] = _digest(_describe(item, base) for item in members)
    return facts


def fact_differences(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Returns one line for each fact that is not the same; facts may be parted into groups, as {"train": {...}}."""
    lines = []
    for name in dict.fromkeys([*now, *before]):
        mine, theirs = now.get(name), before.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            lines += [f"{name}: {line}" for line in fact_differences(mine, theirs)]
        elif mine != theirs and str(theirs).startswith("sha256:") and mine is not None:
            if now.get(f"number of {name}") == before.get(f"number of {name}"):
                lines.append(f"{name}: other names or sizes than at the start")
        elif mine != theirs and not str(mine if theirs is None else theirs).startswith("sha256:"):
            lines.append(f"{name}: {_say(mine)} now, {_say(theirs)} at the start")
    return lines


def _describe(item: ImageLike, base: str) -> bytes:
    if isinstance(item, str | os.PathLike):
        name = Path(os.path.relpath(os.path.abspath(item), base)).as_posix()
        return f"{name}:{os.stat(item).st_size};".encode(errors="surrogateescape")
    array = np.ascontiguousarray(item)
    return f"{array.shape};".encode() + array.tobytes()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return f"sha256:{digest.hexdigest()[:16]}"


def _say(value: Any) -> str:
    return "none" if value is None else str(value)
