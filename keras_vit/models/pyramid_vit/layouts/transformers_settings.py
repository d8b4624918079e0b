"""config.json of transformers' pyramid transformers, read as our config, with the defaults that files leave out."""

from collections.abc import Mapping
from typing import Any

from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.transformers_images import image_size_of
from keras_vit.models.transformers_settings import (
    count_classes,
    read_activation,
    read_labels,
    read_pair,
    read_values,
)

# Class -> whether it has a classifier of images. A segmenter's own head is left out.
CLASSES = {
    "PvtV2ForImageClassification": True,
    "PvtV2Backbone": False,
    "PvtV2Model": False,
    "SegformerForImageClassification": True,
    "SegformerForSemanticSegmentation": False,
    "SegformerModel": False,
}
# The image processor that is meant where preprocessor_config.json names none.
USUAL_PROCESSORS = {"pvt_v2": "Pvt", "segformer": "Segformer"}

_SHARED: dict[str, Any] = {
    "image_size": 224,  # of SegFormer in older files
    "num_channels": 3,
    "depths": [2, 2, 2, 2],
    "sr_ratios": [8, 4, 2, 1],
    "hidden_sizes": [32, 64, 160, 256],
    "patch_sizes": [7, 3, 3, 3],
    "strides": [4, 2, 2, 2],
    "num_attention_heads": [1, 2, 5, 8],
    "mlp_ratios": [8.0, 8.0, 4.0, 4.0],
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "drop_path_rate": 0.0,
}
# Files leave out what equals the default of their model_type. Source: transformers 5.23.0, `configuration_*.py`.
DEFAULTS: dict[str, dict[str, Any]] = {
    "pvt_v2": _SHARED | {"layer_norm_eps": 1e-6, "qkv_bias": True, "linear_attention": False},
    "segformer": _SHARED | {"mlp_ratios": [4.0, 4.0, 4.0, 4.0], "drop_path_rate": 0.1},
}
# SegFormer's norms do not heed the setting layer_norm_eps of its files.
SEGFORMER_EPSILON = 1e-5


def config_of(settings: Mapping[str, Any]) -> PyramidViTConfig:
    """Returns the config of the model that config.json describes.

    Raises:
        ValueError: Settings have the wrong type, or a value that makes another architecture than ours.
    """
    model_type = settings["model_type"]
    values = read_values(settings, DEFAULTS[model_type], model_type)
    epsilon = values.get("layer_norm_eps", SEGFORMER_EPSILON)
    config = PyramidViTConfig.from_dict(
        {
            "image_size": _image_size(settings, values),
            "in_channels": values["num_channels"],
            "embed_dims": values["hidden_sizes"],
            "depths": values["depths"],
            "num_heads": values["num_attention_heads"],
            "mlp_ratios": values["mlp_ratios"],
            "reduction_sizes": values["sr_ratios"],
            "use_pooling": values.get("linear_attention", False),
            "activation": read_activation(values["hidden_act"], "PyramidViT"),
            "use_qkv_bias": values.get("qkv_bias", True),
            "norm_epsilon": epsilon,
            "embedding_norm_epsilon": epsilon,
            "dropout_rate": values["hidden_dropout_prob"],
            "attention_dropout_rate": values["attention_probs_dropout_prob"],
            "drop_path_rate": values["drop_path_rate"],
            "num_classes": count_classes(settings) if has_classifier(settings) else 0,
        }
    )
    _require_patches(config, values)
    return config


def labels_of(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns the names of the classes in the order of the logits, or None where there are only numbers."""
    return read_labels(settings) if has_classifier(settings) else None


def has_classifier(settings: Mapping[str, Any]) -> bool:
    """Whether the class that config.json names has a classifier of images.

    Raises:
        ValueError: It names a class that is not known.
    """
    classes = settings.get("architectures")
    if not classes:  # files written by hand; a classifier is said by its labels then
        return "id2label" in settings or "num_labels" in settings
    name = classes[0] if isinstance(classes, list) else classes
    if not isinstance(name, str) or name not in CLASSES:
        raise ValueError(
            f"config.json needs architectures to name a class of transformers that keras_vit knows; got {name!r}. "
            f"Known are {', '.join(CLASSES)}."
        )
    return CLASSES[name]


def _image_size(settings: Mapping[str, Any], values: dict[str, Any]) -> tuple[int, int]:
    """Returns the size that images come in: what the processor makes, or else what config.json says."""
    processor = settings.get("preprocessor")
    if processor is not None:
        return image_size_of(processor, USUAL_PROCESSORS[settings["model_type"]])
    return read_pair(values["image_size"])


def _require_patches(config: PyramidViTConfig, values: dict[str, Any]) -> None:
    patches = {"patch_sizes": [each.patch_size for each in config.stages]}
    for name, needed in (patches | {"strides": [each.stride for each in config.stages]}).items():
        if list(values[name]) != needed:
            raise ValueError(f"PyramidViT needs {name}={needed} in config.json; got {values[name]}.")
