"""config.json of transformers' ViTs, read as our config, with the defaults that files leave out."""

from collections.abc import Mapping
from typing import Any

from keras_vit.models.transformers_settings import (
    count_classes,
    read_activation,
    read_labels,
    read_pair,
    read_values,
)
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.transformers_models import Model, model_of

_SHARED = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
}
_VIT = _SHARED | {
    "intermediate_size": 3072,
    "qkv_bias": True,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
_DINOV2 = _SHARED | {
    "layer_norm_eps": 1e-6,
    "patch_size": 14,
    "mlp_ratio": 4,
    "qkv_bias": True,
    "layerscale_value": 1.0,
    "use_swiglu_ffn": False,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "drop_path_rate": 0.0,
}
_CLIP = _SHARED | {
    "intermediate_size": 3072,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "patch_size": 32,
    "projection_dim": 512,
    "attention_dropout": 0.0,
}
_SIGLIP = _SHARED | {
    "intermediate_size": 3072,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "vision_use_head": True,
    "attention_dropout": 0.0,
}

# Files leave out what equals the default of their model_type. Source: transformers 5.23.0, `configuration_*.py`.
DEFAULTS: dict[str, dict[str, Any]] = {
    "vit": _VIT,
    "deit": _VIT,
    "vit_mae": _VIT,
    "vit_msn": _VIT | {"layer_norm_eps": 1e-6},
    "dinov2": _DINOV2,
    "dinov2_with_registers": _DINOV2 | {"patch_size": 16, "num_register_tokens": 4},
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "siglip": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
}


def config_of(settings: Mapping[str, Any]) -> ViTConfig:
    """Returns the config of the image model that config.json describes.

    Raises:
        ValueError: Settings have the wrong type, or a value that makes another architecture than ours.
    """
    model, values = model_of(settings), _values(settings)
    sizes, patch_size = read_pair(values["image_size"]), read_pair(values["patch_size"])
    fields = {
        "image_size": sizes,
        "patch_size": patch_size,
        # The convolution leaves out what patches do not cover, as in SigLIP's 384 pixels by patches of 14.
        "drop_remainder": any(size % patch for size, patch in zip(sizes, patch_size, strict=True)),
        "in_channels": values["num_channels"],
        "embed_dim": values["hidden_size"],
        "depth": values["num_hidden_layers"],
        "num_heads": values["num_attention_heads"],
        "mlp_ratio": _mlp_dim(values) / values["hidden_size"],
        "activation": read_activation(values["hidden_act"], "ViT"),
        "use_qkv_bias": values.get("qkv_bias", True),
        "norm_epsilon": values["layer_norm_eps"],
        "dropout_rate": values.get("hidden_dropout_prob", 0.0),
        "attention_dropout_rate": values.get("attention_probs_dropout_prob", values.get("attention_dropout", 0.0)),
        "num_classes": _num_classes(settings, values, model.head),
    }
    return ViTConfig.from_dict({**fields, **_of_family(model, values)})


def labels_of(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns the names of the classes in the order of the logits, or None where there are only numbers."""
    labels = read_labels(settings)
    return labels if model_of(settings).head in ("classifier", "teacher") else None


def _of_family(model: Model, values: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields that follow from the family and what its classes do with the tokens."""
    has_classes = model.head == "classifier"
    if model.family == "deit":
        # Classes without the teacher's logits have the token of distillation all the same: like a register, it takes
        # part in attention and no head reads it.
        is_taught = model.head == "teacher"
        return {"use_distillation_token": is_taught, "num_register_tokens": int(not is_taught)}
    if model.family == "dinov2":
        return {
            "mlp": "swiglu" if values["use_swiglu_ffn"] else "mlp",
            "layer_scale_init": values["layerscale_value"],
            "drop_path_rate": values["drop_path_rate"],  # of every layer in transformers
            "num_register_tokens": values.get("num_register_tokens", 0),
            "pooling": "token_mean" if has_classes else "token",
        }
    if model.family == "clip":
        # Its classifier reads the mean of tokens that are not normalised.
        pooling = "mean" if has_classes else "token"
        return {"use_embedding_norm": True, "pooling": pooling, "use_final_norm": not has_classes}
    if model.family == "siglip":
        has_pool = values["vision_use_head"] and not has_classes
        return {"use_class_token": False, "pooling": "attention" if has_pool else "mean"}
    return {}


def _values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of the image model, with defaults for those that the file leaves out."""
    model_type = settings["model_type"]
    own = settings
    if model_type in ("clip", "siglip"):
        # Where both are given, older files mean the second.
        own = settings.get("vision_config_dict") or settings.get("vision_config") or {}
    defaults = DEFAULTS[model_type]
    if not isinstance(own, dict):
        raise ValueError(f"config.json needs vision_config to hold settings; got {own!r}.")
    if model_type == "clip":
        own = {**own, "projection_dim": settings.get("projection_dim", defaults["projection_dim"])}
    return read_values(own, defaults, model_type)


def _mlp_dim(values: dict[str, Any]) -> int:
    if "intermediate_size" in values:
        return values["intermediate_size"]
    width = gated_dim if values["use_swiglu_ffn"] else plain_dim
    return width(values["hidden_size"], values["mlp_ratio"])


def plain_dim(embed_dim: int, mlp_ratio: float) -> int:
    """Returns the width of DINOv2's feed-forward part."""
    return int(embed_dim * mlp_ratio)


def gated_dim(embed_dim: int, mlp_ratio: float) -> int:
    """Returns the width of gate and linear branch in DINOv2: two thirds, rounded up to a multiple of 8."""
    return (int(int(embed_dim * mlp_ratio) * 2 / 3) + 7) // 8 * 8


def _num_classes(settings: Mapping[str, Any], values: dict[str, Any], head: str) -> int:
    if head == "none":
        return 0
    return values["projection_dim"] if head == "projection" else count_classes(settings)
