"""timm's tables: the architectures and published checkpoints of one model class, as presets."""

import csv
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_vit.models.catalogue import Preset
from keras_vit.models.labels import NUM_CLASSES

REPORTED_SOURCE = "timm's published results table, results-imagenet.csv"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimmTables:
    """What timm publishes for one model class of ours; `python -m tests.parity.timm_table` writes the two files.

    Args:
        architecture: Name of our class.
        folder: Where `timm_architectures.csv` and `timm_checkpoints.csv` are.
        short_names: Short name -> full name of a checkpoint.
        exceptions: How the names of architectures begin that our class does not build -> why.
        count_folded: timm's arguments -> parameters that timm counts and our class does without.
        of_class: Name of timm's class -> what it adds to the arguments.
    """

    architecture: str
    folder: Path
    short_names: dict[str, str]
    exceptions: dict[str, str] = dataclasses.field(default_factory=dict)
    count_folded: Callable[[dict[str, Any]], int] = lambda settings: 0
    of_class: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def architectures_file(self) -> Path:
        return self.folder / "timm_architectures.csv"

    @property
    def checkpoints_file(self) -> Path:
        return self.folder / "timm_checkpoints.csv"

    @functools.cached_property
    def presets(self) -> tuple[Preset, ...]:
        """All checkpoints by full name, and again those with a short name."""
        full = {row["name"]: self._preset(row) for row in _read(self.checkpoints_file)}
        short = (full[name].renamed(alias) for alias, name in self.short_names.items())
        return (*full.values(), *short)

    def timm_settings(self, architecture: str) -> dict[str, Any]:
        """Returns the arguments that timm builds an architecture with, without the number of classes.

        Raises:
            KeyError: No published checkpoint has this architecture.
        """
        row = self._architectures[architecture]
        settings = {**json.loads(row["settings"]), "img_size": _parse_size(row["image_size"]), "in_chans": 3}
        return {**settings, **self.of_class.get(row["model"], {})}

    def architectures(self) -> list[str]:
        """Returns the names of the architectures that timm publishes checkpoints of."""
        return list(self._architectures)

    def find_checkpoint(self, name: str) -> Preset | None:
        """Returns the entry of timm's checkpoint ARCHITECTURE.TAG, if there is one."""
        return next((preset for preset in self.presets if preset.name == name), None)

    @functools.cached_property
    def _architectures(self) -> dict[str, dict[str, str]]:
        return {row["architecture"]: row for row in _read(self.architectures_file)}

    def _preset(self, row: dict[str, str]) -> Preset:
        image_size, num_classes = _parse_size(row["image_size"]), int(row["num_classes"])
        settings = {**self.timm_settings(row["architecture"]), "num_classes": num_classes, "img_size": image_size}
        labels = next((dataset for dataset, size in NUM_CLASSES.items() if size == num_classes), None)
        has_accuracy = bool(row["top1"])
        return Preset(
            name=row["name"],
            description=_describe_head(labels, num_classes),
            architecture=self.architecture,
            parameters=int(row["parameters"]) - self.count_folded(settings),
            image_size=image_size,
            num_classes=num_classes,
            labels=labels,
            preprocessing={
                "image_size": image_size,
                "num_channels": 3,
                "crop_fraction": float(row["crop_fraction"]),
                "crop_mode": row["crop_mode"],
                "interpolation": row["interpolation"],
                "mean": tuple(map(float, row["mean"].split())),
                "std": tuple(map(float, row["std"].split())),
            },
            license=row["license"] or None,
            reported_top1=float(row["top1"]) if has_accuracy else None,
            reported_top5=float(row["top5"]) if has_accuracy else None,
            reported_source=REPORTED_SOURCE if has_accuracy else None,
            timm_settings=settings,
            hub_id=row["hub_id"] or None,
            obstacle=next((why for start, why in self.exceptions.items() if row["name"].startswith(start)), None),
        )


def _describe_head(labels: str | None, num_classes: int) -> str:
    if labels:
        return f"{labels} classifier"
    return f"encoder with {num_classes} outputs that have no names" if num_classes else "encoder without a head"


def _parse_size(text: str) -> tuple[int, int]:
    height, width = map(int, text.split("x"))
    return height, width


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
