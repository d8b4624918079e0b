"""Writing for transformers: which of its classes builds a model of ours, what config.json says of it, and the names."""

from collections.abc import Sequence
from typing import Any

from keras_vit.checkpoints import Entry
from keras_vit.models.pyramid_vit import key_maps
from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.pyramid_vit.layouts.transformers_keys import SPELLINGS
from keras_vit.models.pyramid_vit.layouts.transformers_settings import SEGFORMER_EPSILON
from keras_vit.models.transformers_images import processor_settings
from keras_vit.models.transformers_settings import ACTIVATION_NAMES, write_labels
from keras_vit.preprocessing import Preprocessing

_CLASSES = {  # model_type -> (with classes, without)
    "pvt_v2": ("PvtV2ForImageClassification", "PvtV2Model"),
    "segformer": ("SegformerForImageClassification", "SegformerModel"),
}


def transformers_settings(
    config: PyramidViTConfig, labels: Sequence[str] | None, preprocessing: Preprocessing
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns config.json and preprocessor_config.json, with which transformers builds the model.

    Raises:
        ValueError: Neither its PVT v2 nor its SegFormer is this model; the message names the settings.
    """
    _check(config)
    model_type = _model_type(config)
    settings: dict[str, Any] = {
        "architectures": [_CLASSES[model_type][not config.num_classes]],
        "model_type": model_type,
        "num_channels": config.in_channels,
        "num_encoder_blocks": len(config.depths),
        "depths": list(config.depths),
        "hidden_sizes": list(config.embed_dims),
        "num_attention_heads": list(config.num_heads),
        "mlp_ratios": [int(ratio) if ratio.is_integer() else ratio for ratio in config.mlp_ratios],
        "sr_ratios": list(config.reduction_sizes),
        "patch_sizes": [stage.patch_size for stage in config.stages],
        "strides": [stage.stride for stage in config.stages],
        "hidden_act": ACTIVATION_NAMES[config.activation],
        "hidden_dropout_prob": config.dropout_rate,
        "attention_probs_dropout_prob": config.attention_dropout_rate,
        "drop_path_rate": config.drop_path_rate,
    }
    if model_type == "pvt_v2":
        settings["image_size"] = list(config.usual_size)
        settings["layer_norm_eps"] = config.norm_epsilon
        settings["qkv_bias"] = config.use_qkv_bias
        settings["linear_attention"] = config.use_pooling
    if config.num_classes:
        settings |= write_labels(config.num_classes, labels)
    return settings, processor_settings(preprocessing)


def entries(config: PyramidViTConfig) -> list[Entry]:
    """Returns the name of every variable, as transformers writes its files."""
    model_type = _model_type(config)
    # A base model is no part of another: its names have no prefix.
    return key_maps.entries(config, SPELLINGS[model_type][0], f"{model_type}." if config.num_classes else "")


def _model_type(config: PyramidViTConfig) -> str:
    is_segformer = config.norm_epsilon == SEGFORMER_EPSILON and config.use_qkv_bias and not config.use_pooling
    return "segformer" if is_segformer else "pvt_v2"


def _check(config: PyramidViTConfig) -> None:
    problems = []
    if config.pooling != "mean" and config.num_classes:
        problems.append(f"- pooling needs to be 'mean'; got {config.pooling!r}")
    if config.embedding_norm_epsilon != config.norm_epsilon:
        problems.append(
            f"- embedding_norm_epsilon needs to equal norm_epsilon={config.norm_epsilon}; got "
            f"{config.embedding_norm_epsilon}"
        )
    if problems:
        raise ValueError(
            "transformers cannot build this model; its PVT v2 and SegFormer differ:\n"
            + "\n".join(problems)
            + "\nChange the model, or save it with save_to_preset: transformers reads that through timm."
        )
