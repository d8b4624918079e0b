"""config.json of transformers' DINOv3: read as our config, and written from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.transformers_images import processor_settings
from keras_vit.models.transformers_settings import read_pair, read_values
from keras_vit.preprocessing import Preprocessing

MODEL_TYPE = "dinov3_vit"
CLASSES = ("DINOv3ViTModel", "DINOv3ViTBackbone")

# Files leave out what equals the default. Source: transformers 5.23.0, `configuration_dinov3_vit.py`.
_DEFAULTS: dict[str, Any] = {
    "patch_size": 16,
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "hidden_act": "gelu",
    "attention_dropout": 0.0,
    "layer_norm_eps": 1e-5,
    "rope_theta": 100.0,
    "image_size": 224,
    "num_channels": 3,
    "query_bias": True,
    "key_bias": False,
    "value_bias": True,
    "proj_bias": True,
    "mlp_bias": True,
    "layerscale_value": 1.0,
    "drop_path_rate": 0.0,
    "use_gated_mlp": False,
    "num_register_tokens": 0,
}
# The fields of ours that transformers' class has no choice of, with its values.
_FIXED: dict[str, Any] = {
    "num_key_value_heads": None,
    "order": "pre_norm",
    "positional_encoding": "none",
    "rotary": "centred",
    "rotary_offset": 0.0,
    "rotary_column_first": False,
    "use_class_token": True,
    "use_embedding_norm": False,
    "use_qk_norm": False,
    "use_attention_sub_norm": False,
    "use_mlp_sub_norm": False,
    "use_mlp_scale": True,
    "norm": "layer_norm",
    "num_classes": 0,
    "pooling": "token",
    "use_final_norm": True,
    "use_head_norm": False,
}


def config_of(settings: Mapping[str, Any]) -> EVAConfig:
    """Returns the config of the model that config.json describes.

    Raises:
        ValueError: Settings have the wrong type, or a value that makes another architecture than ours.
    """
    values = read_values(settings, _DEFAULTS, MODEL_TYPE)
    _check(settings, values)
    return EVAConfig.from_dict(
        {
            **_FIXED,
            "image_size": read_pair(values["image_size"]),
            "patch_size": read_pair(values["patch_size"]),
            "in_channels": values["num_channels"],
            "embed_dim": values["hidden_size"],
            "depth": values["num_hidden_layers"],
            "num_heads": values["num_attention_heads"],
            "mlp_ratio": values["intermediate_size"] / values["hidden_size"],
            "mlp": "swiglu" if values["use_gated_mlp"] else "mlp",
            "rotary_temperature": values["rope_theta"],
            "num_register_tokens": values["num_register_tokens"],
            "use_qkv_bias": values["query_bias"],
            "use_key_bias": values["key_bias"],
            "layer_scale_init": values["layerscale_value"],
            "norm_epsilon": values["layer_norm_eps"],
            "attention_dropout_rate": values["attention_dropout"],
            "drop_path_rate": values["drop_path_rate"],  # of every layer in transformers
        }
    )


def transformers_settings(
    config: EVAConfig, labels: Sequence[str] | None, preprocessing: Preprocessing
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns config.json and preprocessor_config.json, with which transformers builds the model.

    Raises:
        ValueError: transformers' DINOv3 is not this model; the message names the settings.
    """
    problems = [
        f"- {name} needs to be {value!r}; got {getattr(config, name)!r}"
        for name, value in _FIXED.items()
        if getattr(config, name) != value
    ]
    if config.layer_scale_init is None:
        problems.append("- layer_scale_init needs to be a number; got None")
    if problems:
        raise ValueError(
            f"transformers cannot build this model; {CLASSES[0]}, its closest class, differs:\n"
            + "\n".join(problems)
            + "\nChange the model, or save it with save_to_preset: transformers reads that through timm."
        )
    settings = {
        "architectures": [CLASSES[0]],
        "model_type": MODEL_TYPE,
        "image_size": _plain(config.usual_size),
        "patch_size": _plain(config.patch_size),
        "num_channels": config.in_channels,
        "hidden_size": config.embed_dim,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.num_heads,
        "intermediate_size": config.mlp_dim,
        "use_gated_mlp": config.mlp == "swiglu",
        "hidden_act": "silu" if config.mlp == "swiglu" else "gelu",
        "rope_theta": config.rotary_temperature,
        "num_register_tokens": config.num_register_tokens,
        "query_bias": config.use_qkv_bias,
        "key_bias": config.use_key_bias,
        "value_bias": config.use_qkv_bias,
        "layerscale_value": config.layer_scale_init,
        "layer_norm_eps": config.norm_epsilon,
        "attention_dropout": config.attention_dropout_rate,
        "drop_path_rate": config.drop_path_rate,
    }
    return settings, processor_settings(preprocessing)


def _check(settings: Mapping[str, Any], values: dict[str, Any]) -> None:
    classes = settings.get("architectures") or [CLASSES[0]]
    if classes[0] not in CLASSES:
        raise ValueError(
            f"config.json needs architectures to name {' or '.join(CLASSES)}; got {classes[0]!r}. Other classes have "
            "layers that keras_vit does not."
        )
    activation = "silu" if values["use_gated_mlp"] else "gelu"
    needed = {"proj_bias": True, "mlp_bias": True, "value_bias": values["query_bias"], "hidden_act": activation}
    problems = [
        f"{name} needs to be {value!r}; got {values[name]!r}" for name, value in needed.items() if values[name] != value
    ]
    if problems:
        raise ValueError(f"config.json of {MODEL_TYPE!r} makes another architecture than EVA: {'; '.join(problems)}.")


def _plain(size: tuple[int, int]) -> int | list[int]:
    return size[0] if size[0] == size[1] else list(size)
