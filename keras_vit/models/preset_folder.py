"""Preset folders: what `save_to_preset` writes and `from_preset` reads."""

import contextlib
import functools
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit import checkpoints, hub
from keras_vit.layers.initialization import draw_skipped, skip_initialization
from keras_vit.models import adapter_loading, card_facts, catalogue, certificate, keras_files, lora, quantization
from keras_vit.models.folders import write_json
from keras_vit.models.plausible_size import check_size
from keras_vit.models.source import Source, open_source
from keras_vit.models.whole_values import whole_values
from keras_vit.preprocessing import Preprocessing

WEIGHTS_FILE = "model.safetensors"
CURVES_FILE = "curves.png"

# Config fields that act in training only: with others, loaded weights still return what they did.
TRAINING_FIELDS = frozenset({"drop_path_rate", "patch_dropout_rate"})

_MAX_CURVES_BYTES = 5_000_000


def save(
    model: Any,
    folder: str | os.PathLike[str],
    *,
    certify: bool = False,
    has_keras_files: bool = False,
    repo_id: str | None = None,
) -> Path:
    """Writes a model as a preset folder, replacing an older one in a single step.

    Args:
        model: What to write.
        folder: Where to write.
        certify: Whether to record what the model returns.
        has_keras_files: Whether to write Keras' own files too.
        repo_id: Repository of the Hub that the folder is for.
    """
    tensors = _collect(model, model.canonical_entries(model.config))
    settings = _describe(model)
    if certify:
        settings["keras_vit"]["certificate"] = certificate.certify(model)
    contents = {"config.json": settings}
    if has_keras_files:
        contents = {
            "config.json": keras_files.settings(model) | settings,
            keras_files.METADATA_FILE: keras_files.metadata(),
        }
    return _write(model, Path(folder), tensors, contents, repo_id=repo_id, has_keras_files=has_keras_files)


def save_for_transformers(model: Any, folder: str | os.PathLike[str]) -> Path:
    """Writes a model as a folder that transformers loads as a model of its own, likewise."""
    settings, processor = model.to_transformers.settings(model.config, model.labels, model.preprocessing)
    tensors = _collect(model, model.to_transformers.entries(model.config))
    settings["keras_vit_version"] = version("keras3-vit")  # by which a later save knows that it may replace the folder
    return _write(model, Path(folder), tensors, {"config.json": settings, "preprocessor_config.json": processor})


def _collect(model: Any, entries: list[checkpoints.Entry]) -> dict[str, Any]:
    quantization.require_float(model)
    _require_described(model)
    tensors = checkpoints.collect(whole_values(lora.merged_weights(model)), entries)
    broken = [name for name, array in tensors.items() if not np.isfinite(array).all()]
    if broken:
        raise ValueError(f"Saving needs finite weights; got NaN or infinity in {', '.join(broken[:5])}.")
    return tensors


def _require_described(model: Any) -> None:
    """Raises where a model has layers that no config describes."""
    described = {entry.variable.split("/")[0] for entry in model.canonical_entries(model.config)}
    own = sorted({path.split("/")[0] for path in model.weights_by_path()} - described)
    if own:
        raise ValueError(
            f"Preset folders and Hub repositories hold models that their config describes; the layer {own[0]!r} of "
            "this one was given to it. Save it as a Keras file: model.save('model.keras')."
        )


def _write(
    model: Any,
    folder: Path,
    tensors: dict[str, Any],
    settings: dict[str, dict[str, Any]],
    *,
    repo_id: str | None = None,
    has_keras_files: bool = False,
) -> Path:
    name = repo_id.split("/")[1] if repo_id else folder.resolve().name
    # Of a folder for transformers, config.json is transformers' own.
    layout = "timm" if "keras_vit" in settings["config.json"] else "transformers"
    recorded = settings["config.json"].get("keras_vit", {}).get("certificate") or {}
    card = build_card(
        model,
        name,
        repo_id=repo_id,
        has_keras_files=has_keras_files,
        layout=layout,
        tolerances=recorded.get("tolerances"),
    )
    writers: dict[str, Callable[[Path], object]] = {
        name: functools.partial(write_json, content=content) for name, content in settings.items()
    }
    writers[WEIGHTS_FILE] = lambda path: checkpoints.write(path, tensors)
    if has_keras_files:
        writers[keras_files.WEIGHTS_FILE] = functools.partial(keras_files.write_weights, model)
    writers["README.md"] = lambda path: path.write_text(card, encoding="utf-8")
    licence = hub.licence_text(model.provenance)
    if licence is not None:
        writers["LICENSE"] = lambda path: path.write_text(licence, encoding="utf-8")
    if (curves := _curves(model)) is not None:
        writers[CURVES_FILE] = lambda path: path.write_bytes(curves)
    hub.write_folder(folder, writers)
    return folder


def build_card(
    model: Any,
    name: str,
    *,
    repo_id: str | None = None,
    has_keras_files: bool = False,
    layout: str = "timm",
    tolerances: Mapping[str, float] | None = None,
) -> str:
    """Returns the model card, README.md of the folder.

    Args:
        model: What the card is about.
        name: Title.
        repo_id: Repository of the Hub that the folder is for; None means that it stays a folder.
        has_keras_files: Whether Keras' own files are in the folder.
        layout: "timm" or "transformers", which the folder is written for.
        tolerances: Of the certificate in the folder; None where it has none.
    """
    if layout == "timm" and model.timm_settings(model.config)["architecture"] == "keras_vit":
        layout = "keras_vit"
    record = card_facts.collect(
        model,
        name,
        repo_id=repo_id,
        has_keras_files=has_keras_files,
        layout=layout,
        tolerances=tolerances,
        curves_file=None if _curves(model) is None else CURVES_FILE,
    )
    return hub.build_card(record)


def _curves(model: Any) -> bytes | None:
    """Returns the picture of the training that the provenance tells of."""
    return model.curves if model.provenance.get("training") else None


def _read_curves(folder: Path) -> bytes | None:
    path = folder / CURVES_FILE
    if not path.is_file() or path.stat().st_size > _MAX_CURVES_BYTES:
        return None
    return path.read_bytes()


def load(
    preset: str | os.PathLike[str],
    expected: type,
    changes: dict[str, Any],
    *,
    load_weights: bool,
    dtype: Any,
    remat: bool = False,
    **download: Any,
) -> Any:
    """Builds the model that a preset names, with some config fields changed, and loads its weights.

    Args:
        preset: Name, folder, file or Hub repository.
        expected: Class that the model must be of.
        changes: Config fields to change.
        load_weights: False keeps the random starting weights.
        dtype: Dtype policy of the model.
        remat: Whether training computes encoder layers a second time instead of keeping what is inside.
        download: Arguments of `open_source` for repositories of the Hub.
    """
    source = open_source(preset, load_weights=load_weights, **download)
    description = source.description
    model_class = catalogue.model_class(description.architecture)
    if not issubclass(model_class, expected):
        raise ValueError(
            f"{expected.__name__}.from_preset needs a preset of its class; {source.name!r} is a "
            f"{description.architecture}. Use keras_vit.from_preset({source.name!r}) or "
            f"keras_vit.{description.architecture}.from_preset."
        )
    given = changes
    if source.adapter is not None:
        changes = adapter_loading.needed_changes(source.adapter, description.config) | changes
    config = _change(description.config, changes)
    is_same = changes.keys() <= TRAINING_FIELDS
    arguments = {
        "preprocessing": _change_preprocessing(description.preprocessing, description.config, config),
        "labels": None if "num_classes" in changes else description.labels,
        "provenance": _provenance(description.provenance, changes),
        "dtype": dtype,
        "remat": remat,
    }
    if source.weights is None:
        return model_class(config, **{**arguments, "provenance": None})  # new weights have no history
    check_size(source)
    if source.adapter is not None:
        adapter_loading.check_changed_size(source, config)
    with _garbage_collection_paused():
        with skip_initialization():
            model = model_class(config, **arguments)
        model.certificate = description.certificate if is_same else None
        model.curves = _read_curves(source.weights.parent) if is_same else None
        _load_weights(model, source, has_new_head="num_classes" in changes)
    model.base = source.origin
    has_new_head = "num_classes" in given
    if source.adapter is not None:
        adapter_loading.apply(model, source.adapter, has_own_head=has_new_head)
    if has_new_head and config.num_classes:
        sys.stderr.write(f"{source.name}: new head for {config.num_classes} classes, random weights.\n")
    return model


@contextlib.contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Building a model makes many objects and no garbage; looking for some took 0.3 s of 1.1 (ViT-B/16, TensorFlow)."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _provenance(stored: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Returns the provenance of stored weights that are loaded with some config fields changed.

    Raises:
        ValueError: It is not of the form that cards are written from.
    """
    kinds = {"source": dict, "conversion": dict, "training": dict, "evaluation": dict, "changes": list}
    wrong = [name for name, kind in kinds.items() if not isinstance(stored.get(name), kind | None)]
    if wrong:
        raise ValueError(f"config.json needs its provenance as save_to_preset writes it; {', '.join(wrong)} is not.")
    names = changes.keys() - TRAINING_FIELDS
    return lasting(stored, f"loaded with another {', '.join(sorted(names))}") if names else stored


def lasting(provenance: dict[str, Any], change: str) -> dict[str, Any]:
    """Returns what stays true when weights change: licence and source, but no training and no measured accuracy.

    Weights from elsewhere keep a list of what was done to them, which licences ask for.
    """
    kept = {name: value for name, value in provenance.items() if name not in ("training", "evaluation")}
    if kept.get("source"):
        kept["changes"] = list(dict.fromkeys([*kept.get("changes", ()), change]))
    return kept


def _load_weights(model: Any, source: Source, *, has_new_head: bool) -> None:
    stored, weights = source.description.config, model.weights_by_path()
    with source.open_weights() as tensors:
        key_map = source.map_keys(tensors)
        kept = [entry for entry in key_map.entries if entry.variable in weights]
        mapped = {entry.variable for entry in kept}
        new = {path: "not in the checkpoint" for path in _added(model, stored) if path not in mapped}
        if has_new_head:
            new |= {path: "new head" for path in weights if path.startswith(model.head_weights)}
        left_out = {
            name: "the changed model has no place for it"
            for entry in key_map.entries
            if entry.variable not in weights
            for name in entry.names
        }
        model.load_report = checkpoints.assign(
            weights,
            kept,
            tensors,
            source=source.name if source.weights is None else str(source.weights),
            new={path: reason for path, reason in key_map.zeros.items() if path in weights} | new,
            adapted=model.adaptations(stored, model.config),
            ignored=left_out | key_map.ignored,
        )
    draw_skipped(model, {weights[path].path for path in new})


def _added(model: Any, stored: Any) -> list[str]:
    """Returns the variables that the model has and the stored config has not."""
    before = {entry.variable for entry in model.canonical_entries(stored)}
    return [entry.variable for entry in model.canonical_entries(model.config) if entry.variable not in before]


def _change(stored: Any, changes: dict[str, Any]) -> Any:
    """Applies changes; a new image size gets a position table of its own grid, any size keeps the stored one."""
    has_own_grid = hasattr(stored, "position_grid")
    if not has_own_grid or ("image_size" not in changes and "patch_size" not in changes):
        return stored.replace(**changes)
    keeps_grid = changes.get("image_size", stored.image_size) is None
    return stored.replace(**changes, position_grid=stored.grid_size if keeps_grid else None)


def _change_preprocessing(fields: dict[str, Any] | None, stored: Any, config: Any) -> Any:
    if fields is None:
        return None
    changed = dict(fields)
    if config.image_size is not None:
        changed["image_size"] = config.image_size
    if config.in_channels != stored.in_channels:
        changed["num_channels"] = config.in_channels
        for name in ("mean", "std"):  # no channel is known to be red: all get the average
            changed[name] = (float(np.mean(changed[name])),)
    return Preprocessing.from_dict(changed)


def _describe(model: Any) -> dict[str, Any]:
    """Returns `config.json`: what timm reads, and our own section."""
    config, preprocessing = model.config, model.preprocessing
    timm = dict(model.timm_settings(config))
    first_conv, num_channels = timm.pop("first_conv", "patch_embed.proj"), config.in_channels
    return {
        **timm,
        **({"label_names": list(model.labels)} if model.labels else {}),
        "pretrained_cfg": {
            "input_size": [num_channels, *preprocessing.image_size],
            # timm hands an image size to models whose size is fixed; some have no such argument.
            "fixed_input_size": not timm["model_args"].get("dynamic_img_size", "img_size" not in timm["model_args"]),
            "interpolation": preprocessing.interpolation,
            "crop_pct": preprocessing.crop_fraction,
            "crop_mode": preprocessing.crop_mode,
            "mean": list(np.resize(preprocessing.mean, num_channels)),
            "std": list(np.resize(preprocessing.std, num_channels)),
            "num_classes": config.num_classes,
            "pool_size": None,
            # timm averages first kernels of other models than RGB ones unless none is named.
            "first_conv": first_conv if num_channels == 3 else None,
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
