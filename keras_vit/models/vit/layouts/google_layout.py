"""Google's layout: .npz files of vision_transformer and big_vision, where names and shapes alone tell the model."""

import math
from typing import Any

import numpy as np

from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, shape_of
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.google_keys import PREFIXES, Form, entries_of, form_of

# What files hold beside the image model; names end with "/" where more follows.
_OTHER_PARTS = {
    "opt/": "state of the optimizer",
    "extra/": "state of the training",
    "params/txt/": "text tower",
    "params/t": "temperature of the contrastive loss",
    "params/b": "bias of the contrastive loss",
}
_UNTRAINED_HEAD = "its kernel is all zero: a head that was never trained"


def recognises_image_model(settings: dict[str, Any], names: Any) -> bool:
    """Whether a file has the patch kernel of an image model, behind a stem or not."""
    return not settings and any(f"{prefix}embedding/kernel" in names for prefix in PREFIXES)


def fields_of(tensors: Tensors, form: Form) -> dict[str, Any]:
    """Returns fields of the config, in places of what the patch kernel meets: pixels, or a stem's feature map.

    What the files leave open is taken as in the published conversions, timm's and transformers': norms add 1e-6, GELU
    is the exact one, although Flax's own `nn.gelu` is the tanh form. Tokens are pooled by attention where there is a
    MAPHead, else by the class token, else by their mean.
    """
    *patch_size, in_channels, embed_dim = shape_with(tensors, f"{form.prefix}embedding/kernel", 4)
    rows, columns = _grid_of(tensors, form)
    num_stacked = int(form.is_stacked)
    query = shape_with(tensors, f"{form.first_layer}/{form.attention}/query/kernel", 3 + num_stacked)
    expand = shape_with(tensors, f"{form.first_layer}/{form.mlp}/Dense_0/kernel", 2 + num_stacked)
    return {
        "image_size": (rows * patch_size[0], columns * patch_size[1]),
        "in_channels": in_channels,
        "patch_size": (patch_size[0], patch_size[1]),
        "embed_dim": embed_dim,
        "depth": _depth(tensors, form),
        "num_heads": query[-2],
        "mlp_ratio": expand[-1] / embed_dim,
        "use_class_token": f"{form.prefix}cls" in tensors,
        "pooling": _pooling(tensors, form.prefix),
        "pre_logits_dim": _width(tensors, f"{form.prefix}pre_logits/kernel"),
        "num_classes": _num_classes(tensors, f"{form.prefix}head/kernel"),
    }


def description_of(architecture: str, config: ViTConfig) -> Description:
    """Returns the description of a config; how images were resized is open, pixels go to -1..1."""
    preprocessing = {"image_size": config.image_size, "num_channels": config.in_channels, "mean": (0.5,), "std": (0.5,)}
    return Description(architecture=architecture, config=config, preprocessing=preprocessing)


def ignored_names(config: ViTConfig, form: Form, tensors: Tensors) -> dict[str, str]:
    """Returns the tensors beside the image model, and its head where that was never trained, with the reasons."""
    others = [name for name in tensors if not (form.prefix and name.startswith(form.prefix))]
    ignored = {
        name: reason
        for name in others
        for part, reason in _OTHER_PARTS.items()
        if name == part or (part.endswith("/") and name.startswith(part))
    }
    if not config.num_classes:
        ignored |= {f"{form.prefix}head/{kind}": _UNTRAINED_HEAD for kind in ("kernel", "bias")}
    return ignored


def shape_with(tensors: Tensors, name: str, num_axes: int) -> tuple[int, ...]:
    """Returns the shape of a tensor that needs to be there, with this many axes."""
    shape = shape_of(tensors, name) if name in tensors else None
    if shape is None or len(shape) != num_axes or 0 in shape:
        raise ValueError(
            f"Google's layout needs {name} with {num_axes} axes, to tell the model's sizes; got {shape=}. Take the "
            "checkpoint of a ViT, and download all of it."
        )
    return shape


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    has_stem = any(f"{prefix}conv_root/kernel" in names for prefix in PREFIXES)  # HybridViT's
    return recognises_image_model(settings, names) and not has_stem


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    return description_of("ViT", ViTConfig(**fields_of(tensors, form_of(tensors))))


def _map_keys(settings: dict[str, Any], config: ViTConfig, tensors: Tensors) -> KeyMap:
    form = form_of(tensors)
    return KeyMap(entries=entries_of(config, form), ignored=ignored_names(config, form, tensors))


LAYOUT = Layout(name="google", recognises=_recognises, describe=_describe, map_keys=_map_keys)


def _grid_of(tensors: Tensors, form: Form) -> tuple[int, int]:
    if form.positions not in tensors:
        raise ValueError(
            f"Google's layout needs a position table, {form.prefix}pos_embedding or {form.positions}, to tell the "
            "image size; the file has none. Models with fixed sines and cosines cannot be read from a file alone."
        )
    num_rows = shape_with(tensors, form.positions, 3)[1]
    num_places = num_rows - form.num_position_rows
    side = math.isqrt(max(num_places, 0))
    if side == 0 or side**2 != num_places:
        raise ValueError(
            "Google's layout needs a square grid of positions, because nothing else in the file tells rows from "
            f"columns; got {form.positions} with {num_places} places for patches, {form.num_position_rows} for the "
            "class token. Resample the table to a square one."
        )
    return side, side


def _depth(tensors: Tensors, form: Form) -> int:
    if form.is_stacked:
        return shape_with(tensors, f"{form.first_layer}/LayerNorm_0/scale", 2)[0]
    return sum(name.startswith(f"{form.layers}_") and name.endswith("/LayerNorm_0/scale") for name in tensors)


def _pooling(tensors: Tensors, prefix: str) -> str:
    if f"{prefix}MAPHead_0/probe" in tensors:
        return "attention"
    return "token" if f"{prefix}cls" in tensors else "mean"


def _width(tensors: Tensors, name: str) -> int | None:
    return shape_with(tensors, name, 2)[1] if name in tensors else None


def _num_classes(tensors: Tensors, name: str) -> int:
    """Returns the number of classes; a kernel of zeros, as in many ImageNet-21k checkpoints, is no head."""
    num_classes = _width(tensors, name)
    return num_classes if num_classes and np.any(tensors[name]) else 0
