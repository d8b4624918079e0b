"""Preset folders: what `save_to_preset` writes and `from_preset` reads."""

import functools
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit import checkpoints, hub
from keras_vit.layers.initialization import Skippable, skip_initialization
from keras_vit.models import catalogue
from keras_vit.preprocessing import Preprocessing
from keras_vit.resampling import resample_grid

WEIGHTS_FILE = "model.safetensors"
POSITIONS = "positional_encoding/table"


def save(model: Any, folder: str | os.PathLike[str]) -> Path:
    """Writes a model as a preset folder, replacing an older one in a single step."""
    entries = model.canonical_entries(model.config)
    tensors = checkpoints.collect(model.weights_by_path(), entries)
    broken = [name for name, array in tensors.items() if not np.isfinite(array).all()]
    if broken:
        raise ValueError(f"save_to_preset needs finite weights; got NaN or infinity in {', '.join(broken[:5])}.")
    folder = Path(folder)
    card = build_card(model, folder.resolve().name)
    settings = json.dumps(_describe(model), indent=2, ensure_ascii=False)
    writers = {
        "config.json": lambda path: path.write_text(settings + "\n", encoding="utf-8"),
        WEIGHTS_FILE: lambda path: checkpoints.write(path, tensors),
        "README.md": lambda path: path.write_text(card, encoding="utf-8"),
    }
    licence = hub.licence_text(model.provenance.get("license"))
    if licence is not None:
        writers["LICENSE"] = lambda path: path.write_text(licence, encoding="utf-8")
    hub.write_folder(folder, writers)
    return folder


def build_card(model: Any, name: str) -> str:
    """Returns the model card, README.md of the folder."""
    record = hub.CardRecord(
        name=name,
        class_name=type(model).__name__,
        parameters=model.count_params(),
        image_size=model.config.image_size,
        in_channels=model.config.in_channels,
        num_classes=model.config.num_classes,
        labels=model.labels,
        preprocessing=model.preprocessing.to_dict(),
        config=model.config.to_dict(),
        provenance=model.provenance,
        version=version("keras3-vit"),
        keras_version=keras.__version__,
    )
    return hub.build_card(record)


def load(
    preset: str | os.PathLike[str],
    expected: type,
    changes: dict[str, Any],
    *,
    load_weights: bool,
    dtype: Any,
) -> Any:
    """Builds the model that a preset names, with some config fields changed, and loads its weights.

    Args:
        preset: Name or folder.
        expected: Class that the model must be of.
        changes: Config fields to change.
        load_weights: False keeps the random starting weights.
        dtype: Dtype policy of the model.
    """
    source = catalogue.find(preset)
    if load_weights and source.folder is None:
        raise ValueError(
            f"Preset {source.name!r} names an architecture; its weights do not come with the package. "
            "Pass load_weights=False for a model with random starting weights."
        )
    section = catalogue.our_section(source.read_settings(with_weights=load_weights), source.name)
    model_class = catalogue.model_class(section["class"])
    if not issubclass(model_class, expected):
        raise ValueError(
            f"{expected.__name__}.from_preset needs a preset of its class; {source.name!r} is a {section['class']}. "
            f"Use keras_vit.from_preset({source.name!r}) or keras_vit.{section['class']}.from_preset."
        )
    stored = model_class.config_class.from_dict(section["config"])
    config = _change(stored, changes)
    arguments = {
        "preprocessing": _change_preprocessing(section.get("preprocessing"), config, changes),
        "labels": None if "num_classes" in changes else section.get("labels"),
        "provenance": lasting(section.get("provenance") or {}) if changes else section.get("provenance"),
        "dtype": dtype,
    }
    if source.folder is None or not load_weights:
        return model_class(config, **{**arguments, "provenance": None})  # new weights have no history
    with skip_initialization():
        model = model_class(config, **arguments)
    _load_weights(model, stored, source.folder / WEIGHTS_FILE, changes)
    return model


def lasting(provenance: dict[str, Any]) -> dict[str, Any]:
    """Returns what stays true when weights change: licence and source, but no training and no measured accuracy."""
    return {name: value for name, value in provenance.items() if name not in ("training", "evaluation")}


def _load_weights(model: Any, stored: Any, path: Path, changes: dict[str, Any]) -> None:
    weights = model.weights_by_path()
    new = {name for name in weights if name.startswith("head/logits/")} if "num_classes" in changes else set()
    resample = {}
    if POSITIONS in weights and model.config.grid_size != stored.grid_size:
        resample[POSITIONS] = functools.partial(
            _resample_positions, stored=stored.grid_size, wanted=model.config.grid_size
        )
    entries = model.canonical_entries(model.config)
    ignored = {entry.name for entry in _stored_only(model.canonical_entries(stored), entries)}
    with checkpoints.read(path) as tensors:
        model.load_report = checkpoints.assign(
            weights,
            entries,
            tensors,
            source=str(path),
            new=frozenset(new),
            resample=resample,
            ignored=dict.fromkeys(ignored, "head left out"),
        )
    if new:
        _start_anew(model.get_layer("head").logits)


def _stored_only(stored: list[Any], wanted: list[Any]) -> list[Any]:
    """Returns the entries of a file that a changed model has no place for."""
    names = {entry.name for entry in wanted}
    return [entry for entry in stored if entry.name not in names]


def _resample_positions(table: np.ndarray, *, stored: tuple[int, int], wanted: tuple[int, int]) -> np.ndarray:
    """(1, rows * columns, embed_dim) of one grid -> the same of another."""
    grid = resample_grid(table.reshape(*stored, -1), *wanted)
    return grid.reshape(1, wanted[0] * wanted[1], -1)


def _start_anew(dense: Any) -> None:
    """Gives a dense layer that was built without initialization its random starting weights."""
    for weight, initializer in ((dense.kernel, dense.kernel_initializer), (dense.bias, dense.bias_initializer)):
        if isinstance(initializer, Skippable):
            weight.assign(initializer(weight.shape, weight.dtype))


def _change(stored: Any, changes: dict[str, Any]) -> Any:
    """Applies changes; a new image size gets a position table of its own grid, any size keeps the stored one."""
    if "image_size" not in changes:
        return stored.replace(**changes)
    keeps_grid = changes["image_size"] is None
    return stored.replace(**changes, position_grid=stored.grid_size if keeps_grid else None)


def _change_preprocessing(settings: dict[str, Any] | None, config: Any, changes: dict[str, Any]) -> Any:
    if settings is None or changes.get("image_size") is None:
        return settings
    return Preprocessing.from_dict({**settings, "image_size": config.image_size})


def _describe(model: Any) -> dict[str, Any]:
    """Returns `config.json`: what timm reads, and our own section."""
    config, preprocessing = model.config, model.preprocessing
    timm = model.timm_settings(config)
    num_channels = config.in_channels
    return {
        **timm,
        **({"label_names": list(model.labels)} if model.labels else {}),
        "pretrained_cfg": {
            "input_size": [num_channels, *preprocessing.image_size],
            "fixed_input_size": not timm["model_args"]["dynamic_img_size"],
            "interpolation": preprocessing.interpolation,
            "crop_pct": preprocessing.crop_fraction,
            "crop_mode": preprocessing.crop_mode,
            "mean": list(np.resize(preprocessing.mean, num_channels)),
            "std": list(np.resize(preprocessing.std, num_channels)),
            "num_classes": config.num_classes,
            "pool_size": None,
            # timm averages first kernels of other models than RGB ones unless none is named.
            "first_conv": "patch_embed.proj" if num_channels == 3 else None,
            "classifier": "head",
        },
        "keras_vit": {
            "class": type(model).__name__,
            "version": version("keras3-vit"),
            "config": config.to_dict(),
            "preprocessing": preprocessing.to_dict(),
            "labels": None if model.labels is None else list(model.labels),
            "provenance": model.provenance,
        },
    }
