"""timm's layout: config.json with an architecture's name and what differs from it, and canonical tensors."""

import difflib
from typing import Any

from keras_vit.models.labels import class_names
from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, shape_of
from keras_vit.models.vit import key_maps, presets
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.timm_arguments import config_of


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    return isinstance(settings.get("architecture"), str)


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    try:
        return _read(settings)
    except (TypeError, AttributeError, IndexError, OverflowError) as error:  # a list for a number, and the like
        raise ValueError(f"timm's config.json has a value of the wrong kind: {error}.") from error


def _read(settings: dict[str, Any]) -> Description:
    architecture, pretrained = settings["architecture"], settings.get("pretrained_cfg", {})
    try:
        base = presets.timm_settings(architecture)
    except KeyError:
        close = difflib.get_close_matches(architecture, presets.architectures(), n=3)
        hint = f"Close ones are {', '.join(close)}." if close else "It may be of another family."
        raise ValueError(f"timm's architecture {architecture!r} is no plain ViT that keras_vit knows. {hint}") from None
    input_size = pretrained.get("input_size") or (base["in_chans"], *base["img_size"])
    arguments = {
        **base,
        "img_size": tuple(input_size[1:]),
        "in_chans": input_size[0],
        **({"global_pool": pretrained["global_pool"]} if pretrained.get("global_pool") else {}),
        "num_classes": pretrained.get("num_classes", 1000),
        **(settings.get("model_args") or {}),
    }
    if "num_classes" in settings:
        arguments["num_classes"] = settings["num_classes"]
    config = config_of(arguments)
    preset = presets.find_checkpoint(f"{architecture}.{pretrained.get('tag')}")
    return Description(
        architecture="ViT",
        config=config,
        preprocessing=_preprocessing(pretrained, config),
        labels=_labels(settings, config, preset),
        provenance={"license": preset.license} if preset and preset.license else {},
    )


def _preprocessing(pretrained: dict[str, Any], config: ViTConfig) -> dict[str, Any] | None:
    names = {"interpolation": "interpolation", "crop_pct": "crop_fraction", "crop_mode": "crop_mode"}
    fields = {ours: pretrained[theirs] for theirs, ours in names.items() if pretrained.get(theirs) is not None}
    fields |= {name: tuple(pretrained[name]) for name in ("mean", "std") if pretrained.get(name) is not None}
    if not fields:
        return None
    # timm's own default, where its file is silent.
    fields.setdefault("crop_fraction", 0.875)
    return {
        **fields,
        "image_size": config.image_size or pretrained["input_size"][1:],
        "num_channels": config.in_channels,
    }


def _labels(settings: dict[str, Any], config: ViTConfig, preset: Any) -> tuple[str, ...] | None:
    """Returns class names: the file's own, or those of the checkpoint that timm published under this name."""
    names = settings.get("label_names")
    if isinstance(names, list) and len(names) == config.num_classes:
        described = settings.get("label_descriptions") or {}
        return tuple(str(described.get(name, name)) for name in names)
    if preset is None or preset.labels is None or preset.num_classes != config.num_classes:
        return None
    return class_names(preset.labels)


def _map_keys(settings: dict[str, Any], config: ViTConfig, tensors: Tensors) -> KeyMap:
    num_rows = 0
    if config.positional_encoding != "none" and "pos_embed" in tensors:
        shape, num_places = shape_of(tensors, "pos_embed"), config.grid_size[0] * config.grid_size[1]
        extra = shape[1] - num_places if len(shape) == 3 else 0
        num_rows = extra if extra == config.num_prefix_tokens else 0  # what else differs is told as a wrong shape
    return KeyMap(entries=key_maps.canonical(config, num_rows))


LAYOUT = Layout(name="timm", recognises=_recognises, describe=_describe, map_keys=_map_keys)
