"""timm's layout: config.json with an architecture's name and what differs from it, and canonical tensors."""

from collections.abc import Callable
from typing import Any

from keras_vit.models.labels import class_names
from keras_vit.models.layout import Description, KeyMap, Layout, Tensors
from keras_vit.models.timm_tables import TimmTables


def timm_layout(
    tables: TimmTables,
    config_of: Callable[[dict[str, Any]], Any],
    map_keys: Callable[[dict[str, Any], Any, Tensors], KeyMap],
) -> Layout:
    """Returns the layout of timm's checkpoints for one model class.

    Args:
        tables: The architectures that timm has.
        config_of: Arguments of timm's class -> our config; raises ValueError where ours differs.
        map_keys: As in `Layout`.
    """
    names = frozenset(tables.architectures())

    def recognises(settings: dict[str, Any], tensors: Any) -> bool:
        architecture = settings.get("architecture")
        return isinstance(architecture, str) and architecture in names

    def describe(settings: dict[str, Any], tensors: Tensors) -> Description:
        try:
            return _read(settings, tables, config_of)
        except (TypeError, AttributeError, IndexError, OverflowError) as error:  # a list for a number, and the like
            raise ValueError(f"timm's config.json has a value of the wrong kind: {error}.") from error

    return Layout(name="timm", recognises=recognises, describe=describe, map_keys=map_keys)


def _read(settings: dict[str, Any], tables: TimmTables, config_of: Callable[[dict[str, Any]], Any]) -> Description:
    architecture, pretrained = settings["architecture"], settings.get("pretrained_cfg", {})
    base = tables.timm_settings(architecture)
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
    preset = tables.find_checkpoint(f"{architecture}.{pretrained.get('tag')}")
    return Description(
        architecture=tables.architecture,
        config=config,
        preprocessing=_preprocessing(pretrained, config),
        labels=_labels(settings, config, preset),
        provenance={"license": preset.license} if preset and preset.license else {},
    )


def _preprocessing(pretrained: dict[str, Any], config: Any) -> dict[str, Any] | None:
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


def _labels(settings: dict[str, Any], config: Any, preset: Any) -> tuple[str, ...] | None:
    """Returns class names: the file's own, or those of the checkpoint that timm published under this name."""
    names = settings.get("label_names")
    if isinstance(names, list) and len(names) == config.num_classes:
        described = settings.get("label_descriptions") or {}
        return tuple(str(described.get(name, name)) for name in names)
    if preset is None or preset.labels is None or preset.num_classes != config.num_classes:
        return None
    return class_names(preset.labels)
