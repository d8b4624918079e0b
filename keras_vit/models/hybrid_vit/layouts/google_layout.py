"""Google's layout of hybrids: .npz files of vision_transformer, where names and shapes alone tell the model."""

from typing import Any

from keras_vit.checkpoints import Entry, Transform, identity
from keras_vit.layers.res_net_stem import map_strides
from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, shape_of
from keras_vit.models.vit.layouts.google_keys import PREFIXES, entries_of, form_of
from keras_vit.models.vit.layouts.google_layout import (
    description_of,
    fields_of,
    ignored_names,
    recognises_image_model,
    shape_with,
)

# Factors and offsets of group norms: ours (channels,), in some files (1, 1, 1, channels).
_CHANNELS_LAST_OF_FOUR = Transform(
    "channels_last_of_four",
    file_shape=lambda shape: (1, 1, 1, *shape),
    read=lambda array, shape: array.reshape(shape),
    write=lambda array: array[None, None, None],
)


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    has_stem = any(f"{prefix}conv_root/kernel" in names for prefix in PREFIXES)
    return recognises_image_model(settings, names) and has_stem


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    """Tells the config from names and shapes: first that of the ViT on the feature map, then that of the stem."""
    form = form_of(tensors)
    fields, depths = fields_of(tensors, form), _depths(tensors, form.prefix)
    _, _, in_channels, root_dim = shape_with(tensors, f"{form.prefix}conv_root/kernel", 4)
    strides = map_strides(depths)
    pixels = {name: tuple(strides * size for size in fields[name]) for name in ("image_size", "patch_size")}
    stem = {"stem": "resnet", "stem_depths": depths, "stem_dim": root_dim, "in_channels": in_channels}
    return description_of("HybridViT", HybridViTConfig(**{**fields, **pixels, **stem}))


def _map_keys(settings: dict[str, Any], config: HybridViTConfig, tensors: Tensors) -> KeyMap:
    form = form_of(tensors)
    root_scale = f"{form.prefix}gn_root/scale"
    has_four_axes = root_scale in tensors and len(shape_of(tensors, root_scale)) == 4
    stem = _stem(config, form.prefix, _CHANNELS_LAST_OF_FOUR if has_four_axes else identity)
    return KeyMap(
        entries=[*stem, *entries_of(config.on_map, form)],
        ignored=ignored_names(config, form, tensors),
    )


LAYOUT = Layout(name="google", recognises=_recognises, describe=_describe, map_keys=_map_keys)


def _depths(tensors: Tensors, prefix: str) -> tuple[int, ...]:
    depths: list[int] = []
    while f"{prefix}block{len(depths) + 1}/unit1/conv1/kernel" in tensors:
        stage, depth = len(depths) + 1, 1
        while f"{prefix}block{stage}/unit{depth + 1}/conv1/kernel" in tensors:
            depth += 1
        depths.append(depth)
    return tuple(depths)


def _stem(config: HybridViTConfig, prefix: str, vector: Transform) -> list[Entry]:
    """Source: timm's `_load_weights` of `vision_transformer.py`."""
    entries = _normed("stem/root_conv", f"{prefix}conv_root", vector)
    for stage, depth in enumerate(config.stem_depths):
        for index in range(depth):
            ours, theirs = f"stem/stage_{stage}_{index}", f"{prefix}block{stage + 1}/unit{index + 1}"
            for number in (1, 2, 3):
                entries += _normed(f"{ours}/conv_{number}", f"{theirs}/conv{number}", vector)
            if index == 0:
                entries += _normed(f"{ours}/shortcut_conv", f"{theirs}/conv_proj", vector)
    return entries


def _normed(ours: str, theirs: str, vector: Transform) -> list[Entry]:
    """A convolution and its norm: "conv1" and "gn1"."""
    norm, their_norm = ours.replace("conv", "norm"), theirs.replace("conv", "gn")
    return [
        Entry(f"{ours}/kernel", f"{theirs}/kernel"),
        Entry(f"{norm}/gamma", f"{their_norm}/scale", vector),
        Entry(f"{norm}/beta", f"{their_norm}/bias", vector),
    ]
