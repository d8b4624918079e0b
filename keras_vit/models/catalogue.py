"""The one table of architectures and presets, and how a name finds its entry."""

import dataclasses
import difflib
import fnmatch
import importlib
import os
import re
from pathlib import Path
from typing import Any, Self

from keras_vit import hub
from keras_vit.models.labels import class_names

# Architecture -> module that holds the class of the same name, and beside it `presets.presets` and, for presets in
# timm's terms, `layouts.timm_arguments.config_of`.
ARCHITECTURES = {
    "BEiT": "keras_vit.models.beit",
    "EVA": "keras_vit.models.eva",
    "HybridViT": "keras_vit.models.hybrid_vit",
    "PyramidViT": "keras_vit.models.pyramid_vit",
    "Swin": "keras_vit.models.swin",
    "SwinV2": "keras_vit.models.swin_v2",
    "ViT": "keras_vit.models.vit",
}

# owner/name as the Hub allows it, and a revision (branch, tag or commit) where one is given.
_REPOSITORY = re.compile(r"(hf://)?(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>\w[\w./-]*))?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """One entry of the catalogue, or what is known of a folder or Hub repository by its name alone.

    Args:
        name: What `from_preset` is given.
        description: One sentence.
        architecture: Name of the model class; empty where only the folder or repository says it.
        alias_of: Full name that a short name stands for.
        parameters: Number of weights. Where timm stores positions for prefix tokens, timm counts those too.
        image_size: (height, width) in pixels.
        num_classes: Outputs of the head; 0 without a head.
        labels: Label set of the classes, for `keras_vit.models.labels.class_names`; None where they have no names.
        preprocessing: Fields of `keras_vit.Preprocessing`.
        license: Of the weights.
        reported_top1: Accuracy on the validation images of ImageNet-1k, percent.
        reported_top5: The same, the right class being among five.
        reported_source: Where these two come from.
        config: Fields that differ from the class's defaults; empty where a folder or one of the next two says them.
        timm_settings: What timm builds the model with, by timm's names.
        repository_settings: What config.json says in a repository of another layout than timm's; that layout reads it,
            and the weights.
        folder: Folder with config and weights.
        hub_id: Hub repository of the weights, "owner/name".
        revision: Branch, tag or commit of the repository; None for its main branch.
        obstacle: Why the class cannot build the model; None where it can.
    """

    name: str
    description: str = ""
    architecture: str = ""
    alias_of: str | None = None
    parameters: int = 0
    image_size: tuple[int, int] | None = None
    num_classes: int | None = None
    labels: str | None = None
    preprocessing: dict[str, Any] = dataclasses.field(default_factory=dict)
    license: str | None = None
    reported_top1: float | None = None
    reported_top5: float | None = None
    reported_source: str | None = None
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    timm_settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    repository_settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    folder: Path | None = None
    hub_id: str | None = None
    revision: str | None = None
    obstacle: str | None = None

    @property
    def is_described(self) -> bool:
        """Whether the catalogue knows the model's settings: without a download, without a folder."""
        return bool(self.config or self.timm_settings or self.repository_settings)

    @property
    def has_short_name(self) -> bool:
        """Whether the name is not one of timm's, which are long."""
        return self.alias_of is not None or not self.timm_settings

    def renamed(self, alias: str) -> Self:
        """Returns the same entry under a short name."""
        return dataclasses.replace(self, name=alias, alias_of=self.name)

    def read_settings(self, *, with_weights: bool = True) -> dict[str, Any]:
        """Returns what config.json says; of a preset of the catalogue without a folder, what it would say.

        Raises:
            ValueError: The class cannot build the model, or its settings are on the Hub.
        """
        if self.timm_settings:
            return {"keras_vit": self._section()}
        if self.repository_settings:
            return self.repository_settings
        if self.config and not with_weights:
            return {"keras_vit": {"class": self.architecture, "config": self.config}}
        if self.folder is None:
            raise ValueError(
                f"{self.name}: the settings are in the Hub repository {self.hub_id!r}, not in the package."
            )
        return hub.read_config(self.folder)

    def _section(self) -> dict[str, Any]:
        if self.obstacle:
            raise ValueError(f"{self.architecture} cannot build {self.name}: {self.obstacle}. Choose another preset.")
        layout = importlib.import_module(f"{ARCHITECTURES[self.architecture]}.layouts.timm_arguments")
        return {
            "class": self.architecture,
            "config": layout.config_of(self.timm_settings).to_dict(),
            "preprocessing": self.preprocessing,
            "labels": class_names(self.labels) if self.labels else None,
        }


def list_presets(pattern: str = "*") -> list[Preset]:
    """Returns the presets whose name matches a pattern such as "vit_b*", sorted by name.

    Short names such as "vit_b16" are entries of their own; `alias_of` says which full name they stand for.
    """
    presets = [preset for module in ARCHITECTURES.values() for preset in _presets(module)]
    return sorted(
        (preset for preset in presets if fnmatch.fnmatchcase(preset.name, pattern)), key=lambda preset: preset.name
    )


def show(preset: str | os.PathLike[str]) -> str:
    """Returns what is known of a preset or preset folder, as text of one fact a line.

    Of a Hub repository that is not in the catalogue, only the address is known before it is downloaded.
    """
    entry = find(preset)
    description = _read_description(entry)
    architecture = description.architecture if description else entry.architecture
    provenance = description.provenance if description else {}
    facts: dict[str, Any] = {
        "name": entry.name,
        "stands for": entry.alias_of,
        "class": f"keras_vit.{architecture}" if architecture else "",
        "description": entry.description,
        "not loadable": entry.obstacle,
        "parameters": f"{entry.parameters:,}" if entry.parameters else "",
        "weights": _describe_weights(entry),
        "license": entry.license or provenance.get("license"),
        "classes": _describe_classes(description.labels if description else None, entry.labels),
        "reported": _describe_accuracy(entry),
        "training": _join(provenance.get("training")),
        "evaluation": _join(provenance.get("evaluation")),
        "preprocessing": _join(description.preprocessing if description else None),
        "config": _join(description.config.to_dict() if description else None),
    }
    return "\n".join(f"{name:<14} {value}" for name, value in facts.items() if value)


def find(preset: str | os.PathLike[str]) -> Preset:
    """Returns the catalogue's entry of that name, or an entry for a folder or a Hub repository.

    Args:
        preset: A short or full name, a folder, "owner/name" or "hf://owner/name", either with "@revision". A folder
            comes before a repository of the same name; the repositories of timm's checkpoints are in the catalogue.

    Raises:
        ValueError: It is none of these; close names are listed.
    """
    name = os.fspath(preset)
    known = {entry.name: entry for entry in list_presets()}
    if name in known:
        return known[name]
    if Path(name).is_dir():
        return Preset(name=name, folder=Path(name))
    is_path = isinstance(preset, os.PathLike)
    match = None if is_path else _REPOSITORY.fullmatch(name)
    if match and ".." not in name:  # in a revision, it would lead out of the Hub's cache
        return _find_repository(name, match["id"], match["revision"], known)
    if name.startswith("hf://"):
        raise ValueError(f"A Hub repository needs the form hf://owner/name or hf://owner/name@revision; got {name!r}.")
    if is_path or os.sep in name or name.startswith("."):
        raise ValueError(f"No preset folder at {name!r}. Pass a folder that save_to_preset wrote, or a preset's name.")
    raise ValueError(f"Unknown preset {name!r}. {_hint(name, known)} `keras-vit list --all` shows all.")


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


def _presets(module: str) -> list[Preset]:
    return list(importlib.import_module(f"{module}.presets").presets())


def _find_repository(name: str, hub_id: str, revision: str | None, known: dict[str, Preset]) -> Preset:
    # Not by hub_id: some repositories hold the weights of two entries, with and without quick GELU.
    entry = known.get(hub_id.removeprefix("timm/"))
    if entry is not None and entry.timm_settings and not entry.alias_of:
        return dataclasses.replace(entry, revision=revision)
    return Preset(name=name, hub_id=hub_id, revision=revision)


def _hint(name: str, known: dict[str, Preset]) -> str:
    """Names what may have been meant: the checkpoints of an architecture, or names like it."""
    close = [each for each in known if each.startswith(f"{name}.")]
    close = close or difflib.get_close_matches(name.lower(), known, n=3)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    return "Pass the name of a preset, a folder, or a Hub repository as owner/name."


def _read_description(entry: Preset) -> Any:
    """Returns what is known without a download: of a folder what it says, of timm's checkpoints the catalogue."""
    # Sources are found through this module.
    from keras_vit.models.source import open_source

    if entry.folder is not None:
        return open_source(entry.folder).description
    if entry.is_described and not entry.obstacle:
        return open_source(entry.name, load_weights=False).description
    return None


def _describe_weights(entry: Preset) -> str:
    if entry.hub_id:
        return f"https://huggingface.co/{entry.hub_id}"
    return str(entry.folder or "not on the Hub: from_preset(..., load_weights=False)")


def _describe_classes(labels: tuple[str, ...] | None, dataset: str | None) -> str:
    if not labels:
        return ""
    if len(labels) <= 20:
        return ", ".join(labels)
    return f"{len(labels):,}{f' of {dataset}' if dataset else ''}: {labels[0]}; {labels[1]}; ..."


def _describe_accuracy(entry: Preset) -> str:
    if entry.reported_top1 is None:
        return ""
    top5 = "" if entry.reported_top5 is None else f", top-5 {entry.reported_top5} %"
    return f"ImageNet-1k top-1 {entry.reported_top1} %{top5}; {entry.reported_source}"


def _join(settings: dict[str, Any] | None) -> str:
    return ", ".join(f"{name}={value}" for name, value in (settings or {}).items())
