"""Markdown that a card's facts cannot break out of: tables, code, links and sections."""

import re
from collections.abc import Mapping
from typing import Any

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

# How the card calls a setting; others appear under their own name.
_TITLES = {
    "patch_size": "Patch size",
    "embed_dim": "Length of a token",
    "depth": "Encoder layers",
    "num_heads": "Attention heads",
    "image_size": "Image size",
    "num_channels": "Channels",
    "crop_fraction": "Crop fraction",
    "crop_mode": "Crop mode",
    "mean": "Mean (of pixels scaled to 0..1)",
    "std": "Standard deviation (likewise)",
    "dataset": "Data set",
    "num_images": "Number of images",
}


def section(title: str, text: str) -> str:
    """Returns a section; nothing where there is nothing to say."""
    return f"## {title}\n\n{text}" if text else ""


def code(language: str, *lines: str) -> str:
    """Returns a block of code."""
    return "\n".join([f"```{language}", *lines, "```"])


def table(rows: list[tuple[str, str]]) -> str:
    """Returns a table of two columns; rows without a value are left out."""
    lines = [f"| {one_line(title)} | {one_line(text)} |" for title, text in rows if text]
    return "\n".join(["| | |", "|---|---|", *lines]) if lines else ""


def settings_rows(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Returns one row a setting; groups of settings are flattened to "group.setting"."""
    rows = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += settings_rows(value, f"{prefix}{name}.")
        elif value is not None:
            title = _TITLES.get(name) or name.replace("_", " ").capitalize()
            rows.append((prefix + name if prefix else title, format_value(name, value)))
    return rows


def format_value(name: str, value: Any) -> str:
    """Returns a setting's value as text: sizes as "8 x 8", switches as "yes" and "no"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return (" x " if name.endswith("_size") else ", ").join(format_value("", item) for item in value)
    return str(value)


def format_count(count: int) -> str:
    """Returns a large number in three digits: 17,563,997,184 -> "17.6 G"."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            digits = 2 if count < 10 * size else 1 if count < 100 * size else 0
            return f"{count / size:.{digits}f} {unit}"
    return str(count)


def repository_link(repo_id: Any, revision: Any = None) -> str:
    """Returns a link to a repository at a commit; plain text where the name is none of the Hub's."""
    text = one_line(repo_id)
    if isinstance(repo_id, str) and REPOSITORY.fullmatch(repo_id):
        is_commit = isinstance(revision, str) and re.fullmatch(r"[0-9a-f]{40}", revision)
        text = f"[{text}](https://huggingface.co/{repo_id}{f'/tree/{revision}' if is_commit else ''})"
    return f"{text}, revision `{one_line(revision)}`" if revision else text


def one_line(text: Any) -> str:
    """Returns text that cannot leave its table cell or heading."""
    return " ".join(str(text).split()).replace("|", "\\|")
