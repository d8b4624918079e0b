"""config.json of transformers' ViTs, read as our config, with the defaults that files leave out."""

from collections.abc import Mapping
from typing import Any

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
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
    "swish": "silu",
    **dict.fromkeys(("gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_python_tanh"), "gelu_tanh"),
}

_MAX_NUMBER = 10**9  # keeps arithmetic finite; the config has the true limits


def config_of(settings: Mapping[str, Any]) -> ViTConfig:
    """Returns the config of the image model that config.json describes.

    Raises:
        ValueError: Settings have the wrong type, or a value that makes another architecture than ours.
    """
    model, values = model_of(settings), _values(settings)
    sizes, patch_size = _pair(values["image_size"]), _pair(values["patch_size"])
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
        "activation": _activation(values["hidden_act"]),
        "use_qkv_bias": values.get("qkv_bias", True),
        "norm_epsilon": values["layer_norm_eps"],
        "dropout_rate": values.get("hidden_dropout_prob", 0.0),
        "attention_dropout_rate": values.get("attention_probs_dropout_prob", values.get("attention_dropout", 0.0)),
        "num_classes": _num_classes(settings, values, model.head),
    }
    return ViTConfig.from_dict({**fields, **_of_family(model, values)})


def labels_of(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns the names of the classes in the order of the logits, or None where there are only numbers."""
    names = _class_names(settings)
    if names is None or model_of(settings).head not in ("classifier", "teacher"):
        return None
    return None if all(name == f"LABEL_{index}" for index, name in enumerate(names)) else names


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
    values = {name: own.get(name, default) for name, default in defaults.items()}
    if model_type == "clip":
        values["projection_dim"] = settings.get("projection_dim", defaults["projection_dim"])
    problems = [
        f"- {name} needs {rule}; got {values[name]!r}"
        for name, default in defaults.items()
        if (rule := _broken_rule(name, values[name], default)) is not None
    ]
    if problems:
        raise ValueError(f"config.json of {model_type!r} has {len(problems)} wrong setting(s):\n" + "\n".join(problems))
    return values


def _broken_rule(name: str, value: Any, default: Any) -> str | None:
    if name in ("image_size", "patch_size"):
        sizes = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
        return None if all(type(size) is int and size > 0 for size in sizes) else "one or two whole numbers > 0"
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, str):
        return None if isinstance(value, str) else "a name"
    if isinstance(default, float) or name == "mlp_ratio":
        return None if type(value) in (int, float) and 0 <= value < _MAX_NUMBER else "a number >= 0"
    low = 0 if name == "num_register_tokens" else 1
    return None if type(value) is int and low <= value < _MAX_NUMBER else f"a whole number >= {low}"


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


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


def _activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(
            f"ViT needs hidden_act to be one of {', '.join(ACTIVATIONS)}; got hidden_act={name!r} in config.json."
        )
    return ACTIVATIONS[name]


def _num_classes(settings: Mapping[str, Any], values: dict[str, Any], head: str) -> int:
    if head == "none":
        return 0
    if head == "projection":
        return values["projection_dim"]
    names = _class_names(settings)
    return settings.get("num_labels", 2) if names is None else len(names)  # files leave out two classes without names


def _class_names(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns what id2label says, in the order of its numbers: JSON sorts "10" before "2"."""
    names = settings.get("id2label")
    if names is None:
        return None
    by_number = {str(key): str(name) for key, name in names.items()} if isinstance(names, dict) else {}
    numbers = [str(index) for index in range(len(by_number))]
    if not isinstance(names, dict) or by_number.keys() != set(numbers):
        raise ValueError(
            f"config.json needs id2label to name classes 0, 1, 2, ... without a gap; got {_shortened(names)}."
        )
    return tuple(by_number[number] for number in numbers)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."
