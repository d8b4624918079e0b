"""The one table of architectures and presets, and how a name finds its entry."""

import dataclasses
import difflib
import fnmatch
import importlib
import os
from pathlib import Path
from typing import Any

from keras_vit import hub

# Architecture -> module that holds the class of the same name, and beside it `presets.PRESETS`.
ARCHITECTURES = {
    "ViT": "keras_vit.models.vit",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """One entry of the catalogue.

    Args:
        name: What `from_preset` is given.
        description: One sentence.
        architecture: Name of the model class.
        parameters: Number of weights.
        config: Fields that differ from the class's defaults; empty for a folder.
        folder: Folder with config and weights inside the package; None for architectures without weights.
    """

    name: str
    description: str
    architecture: str
    parameters: int = 0
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    folder: Path | None = None

    def read_settings(self, *, with_weights: bool = True) -> dict[str, Any]:
        """Returns what config.json says; of an architecture without weights, what it would say."""
        if self.folder is None or (self.config and not with_weights):
            return {"keras_vit": {"class": self.architecture, "config": self.config}}
        return hub.read_config(self.folder)


def list_presets(pattern: str = "*") -> list[Preset]:
    """Returns the presets whose name matches a pattern such as "vit_b*", sorted by name."""
    presets = [preset for module in ARCHITECTURES.values() for preset in _presets(module)]
    return sorted(
        (preset for preset in presets if fnmatch.fnmatchcase(preset.name, pattern)), key=lambda preset: preset.name
    )


def show(preset: str | os.PathLike[str]) -> str:
    """Returns what is known of a preset or preset folder, as text of one fact a line."""
    entry = find(preset)
    section = our_section(entry.read_settings(), entry.name)
    config = model_class(section["class"]).config_class.from_dict(section["config"])
    provenance = section.get("provenance") or {}
    facts: dict[str, Any] = {
        "name": entry.name,
        "class": f"keras_vit.{section['class']}",
        "description": entry.description,
        "parameters": f"{entry.parameters:,}" if entry.parameters else "",
        "weights": entry.folder or "none: from_preset(..., load_weights=False)",
        "license": provenance.get("license", ""),
        "classes": ", ".join(section.get("labels") or []),
        "training": _join(provenance.get("training")),
        "evaluation": _join(provenance.get("evaluation")),
        "preprocessing": _join(section.get("preprocessing")),
        "config": _join(config.to_dict()),
    }
    return "\n".join(f"{name:<14} {value}" for name, value in facts.items() if value)


def find(preset: str | os.PathLike[str]) -> Preset:
    """Returns the catalogue's entry of that name, or an entry for a folder.

    Raises:
        ValueError: There is neither; close names are listed.
    """
    name = os.fspath(preset)
    known = {entry.name: entry for entry in list_presets()}
    if name in known:
        return known[name]
    if Path(name).is_dir():
        return Preset(name=name, description="", architecture="", folder=Path(name))
    if isinstance(preset, os.PathLike) or os.sep in name or name.startswith("."):
        raise ValueError(f"No preset folder at {name!r}. Pass a folder that save_to_preset wrote, or a preset's name.")
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known presets: {', '.join(known)}."
    raise ValueError(f"Unknown preset {name!r}. {hint} `keras-vit list` shows all.")


def model_class(architecture: str) -> Any:
    """Returns the class of an architecture."""
    if architecture not in ARCHITECTURES:
        raise ValueError(f"Unknown model class {architecture!r}; this version knows {', '.join(ARCHITECTURES)}.")
    return getattr(importlib.import_module(ARCHITECTURES[architecture]), architecture)


def our_section(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns what keras_vit wrote into a preset's config.json, or raises where it wrote nothing."""
    section = settings.get("keras_vit")
    if not isinstance(section, dict) or not isinstance(section.get("config"), dict) or "class" not in section:
        raise ValueError(
            f"{name}: config.json needs a 'keras_vit' section with 'class' and 'config'. "
            "Is this a folder that save_to_preset wrote?"
        )
    return section


def _join(settings: dict[str, Any] | None) -> str:
    return ", ".join(f"{name}={value}" for name, value in (settings or {}).items())


def _presets(module: str) -> list[Preset]:
    return list(importlib.import_module(f"{module}.presets").PRESETS)
