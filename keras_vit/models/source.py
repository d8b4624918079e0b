"""Sources: the checkpoint that a preset's name, folder or file stands for, in whatever layout it comes."""

import dataclasses
import difflib
import importlib
import os
from pathlib import Path
from typing import Any

from keras_vit import checkpoints, hub
from keras_vit.models import catalogue
from keras_vit.models.adapter import Adapter, read_adapter
from keras_vit.models.labels import class_names
from keras_vit.models.layout import Description, KeyMap, Layout, Tensors

_KERAS_HUB_FILES = ("config.json", "task.json", "preprocessor.json", "image_converter.json")
_TRANSFORMERS_FILE = "preprocessor_config.json"
_DOWNLOAD_ARGUMENTS = ("token", "cache_dir", "endpoint", "local_files_only")
_UNSAFE_FILES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.keras", "*.h5", "*.msgpack")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A checkpoint that was found.

    Args:
        name: Said in messages.
        layout: How it is stored.
        settings: What its configuration files say; empty where the catalogue or the tensors say it.
        description: The same, in our words.
        weights: File, or folder of a layout with several, of the weights; None where only settings are known.
        origin: Name and revision by which it can be opened again, anywhere if it is not a folder or file.
        adapter: What is to be put onto the model.
    """

    name: str
    layout: Layout
    settings: dict[str, Any]
    description: Description
    weights: Path | None
    origin: dict[str, Any] | None = None
    adapter: Adapter | None = None

    def open_weights(self) -> Any:
        """Returns the tensors, read one by one as they are asked for; close them, or use them in a `with` block."""
        if self.weights is None:
            raise ValueError(f"{self.name} was opened for its settings only.")
        return self.layout.open_weights(self.weights)

    def map_keys(self, tensors: Tensors) -> KeyMap:
        """Returns how the tensors become variables."""
        return self.layout.map_keys(self.settings, self.description.config, tensors)


def open_source(
    preset: str | os.PathLike[str], *, load_weights: bool = True, revision: str | None = None, **download: Any
) -> Source:
    """Finds what a preset stands for, fetching it from the Hub where it is not on this machine.

    Args:
        preset: Name in the catalogue, folder, file of weights that needs no other file, or Hub repository.
        load_weights: False looks for settings only; those of the catalogue need no download.
        revision: Branch, tag or commit of a Hub repository.
        download: Further arguments of `hub.download`.

    Raises:
        ValueError: The name is unknown, or the checkpoint is of a kind that cannot be read.
    """
    found = _locate(preset, load_weights, revision, dict(download))
    if isinstance(found, Source):
        return found
    if found.base is None:
        raise ValueError(
            f"{found.name} needs base_model_name_or_path in adapter_config.json; got None. Load the model that it was "
            "learned on, and put it onto that: model.load_adapter(...)."
        )
    base = _locate(found.base, load_weights, found.revision, dict(download))
    if isinstance(base, Adapter):
        raise ValueError(f"{found.name} needs a base that is a whole model; {found.base!r} is an adapter itself.")
    return dataclasses.replace(base, adapter=found)


def open_adapter(preset: str | os.PathLike[str], *, revision: str | None = None, **download: Any) -> Adapter:
    """Finds an adapter in a folder or Hub repository, without its base; arguments as of `open_source`.

    Raises:
        ValueError: The name is unknown, or it is a whole model.
    """
    found = _locate(preset, True, revision, download)
    if isinstance(found, Source):
        raise ValueError(f"load_adapter needs an adapter; {found.name!r} is a whole model. Use from_preset.")
    return found


def _locate(
    preset: str | os.PathLike[str], load_weights: bool, revision: str | None, download: dict[str, Any]
) -> Source | Adapter:
    unknown = [name for name in download if name not in _DOWNLOAD_ARGUMENTS]
    if unknown:  # what only a download reads would be passed over without one
        raise TypeError(
            f"Loading {os.fspath(preset)!r} takes no argument {', '.join(map(repr, unknown))}. Beside those of "
            f"from_preset there are revision, {', '.join(_DOWNLOAD_ARGUMENTS)}; other fields of a config belong to its "
            "weights, or are set on a model without: ViT(config=model.config, ...)."
        )
    if Path(preset).is_file():
        return _with_origin(_from_file(Path(preset)), str(Path(preset).resolve()))
    entry = catalogue.find(preset)
    if entry.folder is not None and not (entry.config and not load_weights):
        if hub.is_adapter(entry.folder):
            return read_adapter(entry.name, entry.folder)
        is_ours = entry.name in {each.name for each in catalogue.list_presets()}
        name = entry.name if is_ours else str(entry.folder.resolve())
        return _with_origin(_from_folder(entry.name, entry.folder, load_weights, {}), name)
    if entry.is_described and not load_weights:
        return _from_catalogue(entry, {})
    if entry.hub_id is None:
        raise ValueError(
            f"The weights of {entry.name!r} are published only as a file that can run code when it is opened. Convert "
            "them with timm, timm.models.save_for_hf(model, FOLDER, safe_serialization=True), and load FOLDER."
        )
    if entry.is_described:
        entry.read_settings()  # raises before anything is fetched if no class of ours builds this model
    download["known_names"] = [each.hub_id for each in catalogue.list_presets() if each.hub_id]
    if not entry.is_described:
        download["check_settings"] = lambda folder: _check_settings(entry.name, folder)
    folder, commit = hub.download(entry.hub_id, revision or entry.revision, load_weights=load_weights, **download)
    repository = {"repo_id": entry.hub_id, "revision": commit}
    if entry.is_described:
        source = _from_catalogue(entry, repository)
        source = dataclasses.replace(source, weights=_find_weights(entry.name, folder, source.layout))
        return _with_origin(source, entry.hub_id, commit)
    if hub.is_adapter(folder):
        return read_adapter(entry.name, folder, is_remote=True)
    return _with_origin(_from_folder(entry.name, folder, load_weights, repository), entry.hub_id, commit)


def _with_origin(source: Source, name: str, revision: str | None = None) -> Source:
    return dataclasses.replace(source, origin={"name": name, "revision": revision})


def _check_settings(name: str, folder: Path) -> None:
    """Raises where what was fetched so far describes nothing that can be loaded."""
    if hub.is_adapter(folder):
        read_adapter(name, folder, is_remote=True)
    else:
        _from_folder(name, folder, False, {})


def layouts() -> list[Layout]:
    """Returns the layouts of all architectures, in the order in which they are asked."""
    return [layout for architecture in catalogue.ARCHITECTURES for layout in _layouts_of(architecture)]


def canonical_layout(architecture: str) -> Layout:
    """Returns the layout that an architecture is saved in."""
    return _layouts_of(architecture)[0]


def _layouts_of(architecture: str) -> list[Layout]:
    return list(importlib.import_module(f"{catalogue.ARCHITECTURES[architecture]}.layouts").LAYOUTS)


def _from_catalogue(entry: catalogue.Preset, repository: dict[str, Any]) -> Source:
    """What the catalogue knows; the weights are still to be found."""
    settings = entry.read_settings(with_weights=False)
    if "keras_vit" in settings:
        description, settings = _describe_ours(settings, entry.name), {}
        layout = canonical_layout(description.architecture)
    else:
        layout = _choose_layout(entry.name, settings, ())
        labels = class_names(entry.labels) if entry.labels else None
        description = dataclasses.replace(layout.describe(settings, {}), labels=labels)
    provenance = {"license": entry.license} if entry.license else {}
    return Source(
        name=entry.name,
        layout=layout,
        settings=settings,
        description=_with_provenance(description, provenance, repository),
        weights=None,
    )


def _from_folder(name: str, folder: Path, load_weights: bool, repository: dict[str, Any]) -> Source:
    settings = _read_settings(folder)
    if "keras_vit" in settings:
        description = _describe_ours(settings, name)
        layout = canonical_layout(description.architecture)
        if repository and not description.provenance.get("source"):
            description = _with_provenance(description, {}, repository)
    else:
        layout = _choose_layout(name, settings, ())
        licence = hub.read_card_licence(folder / "README.md", repository)
        description = _with_provenance(layout.describe(settings, {}), licence, repository)
    weights = _find_weights(name, folder, layout) if load_weights else None
    return Source(name=name, layout=layout, settings=settings, description=description, weights=weights)


def _from_file(path: Path) -> Source:
    """A file that needs no other: the tensors say what model they are of."""
    with checkpoints.open_weights(path) as tensors:
        layout = _choose_layout(str(path), {}, tensors)
        description = layout.describe({}, tensors)
    return Source(name=str(path), layout=layout, settings={}, description=description, weights=path)


def _read_settings(folder: Path) -> dict[str, Any]:
    """Returns config.json, with the other files of settings that some layouts have beside it."""
    settings = hub.read_config(folder)
    if str(settings.get("registered_name", "")).startswith("keras_hub>"):
        files = [folder / name for name in _KERAS_HUB_FILES]
        return {"keras_hub": {file.name: hub.read_json(file) for file in files if file.is_file()}}
    if (folder / _TRANSFORMERS_FILE).is_file() and "model_type" in settings:
        settings["preprocessor"] = hub.read_json(folder / _TRANSFORMERS_FILE)
    return settings


def _choose_layout(name: str, settings: dict[str, Any], tensors: Any) -> Layout:
    for layout in layouts():
        if layout.recognises(settings, tensors):
            return layout
    if not settings:
        first = next(iter(tensors), None)
        raise ValueError(
            f"{name} holds tensors of no layout that keras_vit knows ({', '.join(_layout_names())}); the first is "
            f"{first!r}. Load the folder with its config.json instead."
        )
    if isinstance(architecture := settings.get("architecture"), str):
        known = {entry.name.split(".")[0] for entry in catalogue.list_presets() if entry.timm_settings}
        close = difflib.get_close_matches(architecture, sorted(known), n=3)
        hint = f"Close ones are {', '.join(close)}." if close else "It may be of another family."
        raise ValueError(f"{name}: timm's architecture {architecture!r} is none that keras_vit knows. {hint}")
    for key in ("model_type", "architecture", "class_name"):
        if key in settings:
            raise ValueError(
                f"{name}: config.json has {key}={settings[key]!r}, which is no architecture of keras_vit "
                f"({', '.join(catalogue.ARCHITECTURES)})."
            )
    raise ValueError(
        f"{name}: config.json is of no layout that keras_vit knows ({', '.join(_layout_names())}); its first key is "
        f"{next(iter(settings))!r}."
    )


def _layout_names() -> list[str]:
    return list(dict.fromkeys(layout.name for layout in layouts()))


def _describe_ours(settings: dict[str, Any], name: str) -> Description:
    section = catalogue.our_section(settings, name)
    model_class = catalogue.model_class(section["class"])
    labels = section.get("labels")
    if not isinstance(labels, list | tuple | None):
        raise ValueError(f"{name}: config.json needs labels to be a list of names; got a {type(labels).__name__}.")
    return Description(
        architecture=section["class"],
        config=model_class.config_class.from_dict(section["config"]),
        preprocessing=section.get("preprocessing"),
        labels=None if labels is None else tuple(labels),
        provenance=section.get("provenance") or {},
        certificate=section.get("certificate"),
    )


def _with_provenance(description: Description, known: dict[str, Any], repository: dict[str, Any]) -> Description:
    source = {"source": repository} if repository else {}
    return dataclasses.replace(description, provenance={**known, **description.provenance, **source})


def _find_weights(name: str, folder: Path, layout: Layout) -> Path:
    files = layout.weights_files
    for file in files:
        if (folder / file).is_file():
            return folder / file
    unsafe = sorted(path.name for pattern in _UNSAFE_FILES for path in folder.glob(pattern))
    if unsafe:
        raise ValueError(
            f"{name} has its weights in {', '.join(unsafe[:3])}: such files are not opened, because some can run code. "
            f"Look for a revision with {files[0]}, or convert it with the library that wrote it."
        )
    raise FileNotFoundError(f"{name} needs weights in {' or '.join(files)}; {folder} has none of them.")
