"""What `keras-vit list` shows: which presets, in which order, as a table, as JSON or as a Markdown page."""

import collections
import dataclasses
import enum
import re
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from keras_vit.models import Preset

RECORD_KEYS = (
    "name",
    "alias_of",
    "architecture",
    "description",
    "parameters",
    "image_size",
    "num_classes",
    "labels",
    "license",
    "reported_top1",
    "reported_top5",
    "reported_source",
    "hub_id",
    "obstacle",
)

PAGE = """\
# Presets

`keras-vit list --all --markdown` writes this page; `keras-vit list` shows the same in a terminal, filtered and sorted.

Every name works in `keras_vit.from_preset(NAME)`, and so does the Hub repository of a checkpoint. Top-1 and top-5 are
percent of the validation images of ImageNet-1k, as reported elsewhere; they are not our measurements. Parameters are
those of the model here. Where a checkpoint stores positions for its prefix tokens, timm counts these too; here they are
added to the tokens when they are read.

Top-1 and top-5 were reported in

{sources}

## Short names

| name | stands for | parameters | image | top-1 | licence |
|---|---|--:|--:|--:|---|
{short}

## All checkpoints

{num_loadable} of {num_full} load. The others are listed with the reason below the table.

| name | parameters | image | outputs | top-1 | top-5 | licence | loads |
|---|--:|--:|--:|--:|--:|---|---|
{full}

## What does not load

{exceptions}
"""


class SortKey(enum.StrEnum):
    """What the list is sorted by; "size" is that of the images."""

    NAME = "name"
    PARAMS = "params"
    TOP1 = "top1"
    SIZE = "size"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filter:
    """Which presets are listed; None asks for nothing.

    Args:
        license: Of the weights, in any case.
        min_top1: Lowest reported ImageNet-1k top-1, percent; leaves out presets without one.
        max_parameters: Most parameters.
        image_size: (height, width) in pixels.
    """

    license: str | None = None
    min_top1: float | None = None
    max_parameters: float | None = None
    image_size: tuple[int, int] | None = None

    def keeps(self, preset: "Preset") -> bool:
        """Returns whether the preset is as wanted."""
        return (
            (self.license is None or self.license.lower() == (preset.license or "").lower())
            and (self.min_top1 is None or (preset.reported_top1 or 0) >= self.min_top1)
            and (self.max_parameters is None or preset.parameters <= self.max_parameters)
            and (self.image_size is None or preset.image_size == self.image_size)
        )


def sort_presets(presets: list["Preset"], key: SortKey, *, reverse: bool) -> list["Preset"]:
    """Returns the presets in order; those of which the key is not known come last either way."""
    values = {
        SortKey.NAME: lambda preset: preset.name,
        SortKey.PARAMS: lambda preset: preset.parameters,
        SortKey.TOP1: lambda preset: preset.reported_top1,
        SortKey.SIZE: lambda preset: preset.image_size,
    }
    value = values[key]
    known = [preset for preset in presets if value(preset) is not None]
    unknown = [preset for preset in presets if value(preset) is None]
    return sorted(known, key=value, reverse=reverse) + unknown


def parse_count(text: str) -> float:
    """Reads a number of parameters: 30M -> 30 million; K, M, G and B are known."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgb]?)", text.strip().lower())
    if match is None:
        raise ValueError(f"--max-params needs a number such as 30M, 1.2B or 500000; got {text!r}.")
    return float(match[1]) * {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}[match[2]]


def parse_size(text: str) -> tuple[int, int]:
    """Reads an image size: 224 or 48x64."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip().lower())
    if match is None:
        raise ValueError(f"--image-size needs pixels, as 224 or 48x64; got {text!r}.")
    return int(match[1]), int(match[2] or match[1])


def rich_table(presets: list["Preset"]) -> Table:
    """Returns the table for a terminal."""
    has_aliases = any(preset.alias_of for preset in presets)
    table = Table()
    table.add_column("preset", overflow="fold")
    if has_aliases:
        table.add_column("stands for", overflow="fold")
    for title in ("parameters", "image", "top-1 %"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold")
    for preset in presets:
        names = [preset.name, preset.alias_of or ""] if has_aliases else [preset.name]
        # Text, because a string's square brackets would be taken for colours.
        table.add_row(*map(Text, [*names, *_facts(preset), preset.license or "-"]))
    return table


def as_record(preset: "Preset") -> dict[str, Any]:
    """Returns what JSON says of a preset."""
    return {key: getattr(preset, key) for key in RECORD_KEYS}


def markdown_page(presets: list["Preset"]) -> str:
    """Returns the page of the documentation that lists presets."""
    full = [preset for preset in presets if not preset.alias_of]
    short = [preset for preset in presets if preset.alias_of]
    reasons = {preset.name: _why_not(preset) for preset in full}
    exceptions = [f"- `{name}`: {reason}" for name, reason in reasons.items() if reason]
    return PAGE.format(
        sources="\n".join(_sources(full)),
        short="\n".join(
            _markdown_row(f"`{preset.name}`", f"`{preset.alias_of}`", *_facts(preset), preset.license or "-")
            for preset in short
        ),
        full="\n".join(
            _markdown_row(
                f"`{preset.name}`",
                *_facts(preset)[:2],
                str(preset.num_classes or "-"),
                _percent(preset.reported_top1),
                _percent(preset.reported_top5),
                preset.license or "-",
                "no" if reasons[preset.name] else "yes",
            )
            for preset in full
        ),
        num_loadable=len(full) - len(exceptions),
        num_full=len(full),
        exceptions="\n".join(exceptions) or "All of them load.",
    )


def _sources(presets: list["Preset"]) -> list[str]:
    """Returns a line for each source of accuracies, that of most checkpoints first."""
    counts = collections.Counter(preset.reported_source for preset in presets if preset.reported_source)
    return [f"- {source} ({count} checkpoints)" for source, count in counts.most_common()]


def _why_not(preset: "Preset") -> str | None:
    if preset.obstacle:
        return preset.obstacle
    if preset.hub_id or preset.folder:
        return None
    return "its weights are not on the Hub, only in a file that can run code; `load_weights=False` builds the model"


def _facts(preset: "Preset") -> tuple[str, str, str]:
    height, width = preset.image_size or (0, 0)
    size = str(height) if height == width else f"{height}x{width}"
    return _millions(preset.parameters), size, _percent(preset.reported_top1)


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f}M"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _markdown_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
