"""config.json of transformers' BEiT and Data2Vec: read as our config, and written from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.transformers_images import processor_settings
from keras_vit.models.transformers_settings import (
    count_classes,
    read_activation,
    read_labels,
    read_pair,
    read_values,
    write_labels,
)
from keras_vit.preprocessing import Preprocessing

# model_type -> prefix of the names of a base model's weights, where it is part of another model.
PREFIXES = {"beit": "beit.", "data2vec-vision": "data2vec_vision."}
# Class -> what its head is: "classifier", "pretraining" (norm and visual tokens), "pool" or "none" (no norm either).
HEADS = {
    "BeitForImageClassification": "classifier",
    "BeitForMaskedImageModeling": "pretraining",
    "BeitModel": "pool",
    "Data2VecVisionForImageClassification": "classifier",
    "Data2VecVisionModel": "none",
}
# Files leave out what equals the default. Source: transformers 5.23.0, `configuration_beit.py`; Data2Vec's are equal.
DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "use_absolute_position_embeddings": False,
    "use_relative_position_bias": False,
    "use_shared_relative_position_bias": False,
    "layer_scale_init_value": 0.1,
    "drop_path_rate": 0.1,
    "use_mean_pooling": True,
}


def head_of(settings: Mapping[str, Any]) -> str:
    """Returns what the head is of the class that config.json names, one of the values of `HEADS`."""
    classes = settings.get("architectures")
    if not classes:  # files written by hand; a classifier is said by its labels then
        return "classifier" if "id2label" in settings or "num_labels" in settings else "pool"
    name = classes[0] if isinstance(classes, list) else classes
    if not isinstance(name, str) or name not in HEADS:
        raise ValueError(
            f"config.json needs architectures to name a class of transformers that keras_vit knows; got {name!r}. "
            f"Known are {', '.join(HEADS)}."
        )
    return HEADS[name]


def config_of(settings: Mapping[str, Any]) -> BEiTConfig:
    """Returns the config of the model that config.json describes.

    Raises:
        ValueError: Settings have the wrong type, or a value that makes another architecture than ours.
    """
    values, head = read_values(settings, DEFAULTS, settings["model_type"]), head_of(settings)
    has_biases = [values["use_relative_position_bias"], values["use_shared_relative_position_bias"]]
    is_averaged = values["use_mean_pooling"]
    image_size = read_pair(values["image_size"])
    problems = []
    if read_activation(values["hidden_act"], "BEiT") != "gelu":
        problems.append(f"hidden_act needs to be 'gelu'; got {values['hidden_act']!r}")
    if all(has_biases):
        problems.append("use_relative_position_bias and use_shared_relative_position_bias cannot both be true")
    if any(has_biases) and image_size[0] != image_size[1]:
        problems.append(f"image_size needs to be a square: transformers mixes up rows of biases; got {image_size}")
    if head == "pretraining" and not is_averaged:
        problems.append("use_mean_pooling needs to be true for pretraining, or tokens are normalised twice")
    if problems:
        raise ValueError(
            f"config.json of {settings['model_type']!r} is no BEiT of keras_vit:\n- " + "\n- ".join(problems)
        )
    return BEiTConfig.from_dict(
        {
            "image_size": image_size,
            "patch_size": read_pair(values["patch_size"]),
            "in_channels": values["num_channels"],
            "embed_dim": values["hidden_size"],
            "depth": values["num_hidden_layers"],
            "num_heads": values["num_attention_heads"],
            "mlp_ratio": values["intermediate_size"] / values["hidden_size"],
            "use_position_bias": any(has_biases),
            "positional_encoding": "learned" if values["use_absolute_position_embeddings"] else "none",
            "layer_scale_init": values["layer_scale_init_value"] or None,
            "norm_epsilon": values["layer_norm_eps"],
            "dropout_rate": values["hidden_dropout_prob"],
            "attention_dropout_rate": values["attention_probs_dropout_prob"],
            "drop_path_rate": values["drop_path_rate"],
            "num_classes": count_classes(settings) if head == "classifier" else 0,
            "pooling": "mean" if is_averaged else "token",
            "use_head_norm": is_averaged and head != "pretraining",
        }
    )


def labels_of(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns the names of the classes in the order of the logits, or None where there are only numbers."""
    return read_labels(settings) if head_of(settings) == "classifier" else None


def transformers_settings(
    config: BEiTConfig, labels: Sequence[str] | None, preprocessing: Preprocessing
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns config.json and preprocessor_config.json, with which transformers builds the model.

    Raises:
        ValueError: No BEiT of transformers is this model; the message names the settings.
    """
    name = "BeitForImageClassification" if config.num_classes else "BeitModel"
    _check(config, name)
    settings = {
        "architectures": [name],
        "model_type": "beit",
        "hidden_size": config.embed_dim,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.num_heads,
        "intermediate_size": config.mlp_dim,
        "hidden_act": "gelu",
        "hidden_dropout_prob": config.dropout_rate,
        "attention_probs_dropout_prob": config.attention_dropout_rate,
        "layer_norm_eps": config.norm_epsilon,
        "image_size": config.image_size[0] if len(set(config.image_size)) == 1 else list(config.image_size),
        "patch_size": config.patch_size[0],
        "num_channels": config.in_channels,
        "use_absolute_position_embeddings": config.positional_encoding == "learned",
        "use_relative_position_bias": config.use_position_bias,
        "layer_scale_init_value": config.layer_scale_init or 0.0,
        "drop_path_rate": config.drop_path_rate,
        "use_mean_pooling": config.pooling == "mean",
    }
    classes = write_labels(config.num_classes, labels) if config.num_classes else {}
    return settings | classes, processor_settings(preprocessing)


def _check(config: BEiTConfig, name: str) -> None:
    problems = []
    if (config.pooling, config.use_head_norm) not in (("mean", True), ("token", False)):
        problems.append(
            "- pooling needs to be 'mean' with use_head_norm=True, or 'token' with use_head_norm=False; got "
            f"{config.pooling!r} with {config.use_head_norm}"
        )
    if len(set(config.patch_size)) > 1 or (config.use_position_bias and len(set(config.image_size)) > 1):
        problems.append(
            f"- patch_size, and with biases image_size, needs to be a square; got {config.patch_size}, "
            f"{config.image_size}"
        )
    if problems:
        raise ValueError(
            f"transformers cannot build this model; {name}, its closest class, differs:\n"
            + "\n".join(problems)
            + "\nChange the model, or save it with save_to_preset: transformers reads that through timm."
        )
