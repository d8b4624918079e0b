"""transformers' layout: config.json with a model_type, and tensors named by its models; read, and written back."""

from collections.abc import Iterable
from typing import Any

from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, Writer
from keras_vit.models.transformers_images import preprocessing_of
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts import transformers_keys, transformers_writing
from keras_vit.models.vit.layouts.transformers_models import FAMILIES, USUAL_PROCESSORS, Model, model_of
from keras_vit.models.vit.layouts.transformers_settings import config_of, labels_of

# First part of a name after the base model's prefix -> why nothing is made of the tensor.
_UNUSED_PARTS = {
    "embeddings.mask_token": "stands for hidden patches while pretraining",
    "embeddings.position_ids": "numbers of the positions, 0, 1, 2, ...",
    "pooler.": "an extra layer on the class token that classifiers do without",
}
_UNUSED_NAMES = {
    "decoder.": "the decoder is needed for pretraining only",
    "text_model.": "part of the text model",
    "text_projection.": "part of the text model",
    "logit_scale": "compares images with texts",
    "logit_bias": "compares images with texts",
}


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    model_type = settings.get("model_type")
    return isinstance(model_type, str) and model_type in FAMILIES


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    config = config_of(settings)
    processor, usual = settings.get("preprocessor"), USUAL_PROCESSORS[settings["model_type"]]
    return Description(
        architecture="ViT",
        config=config,
        preprocessing=None if processor is None else preprocessing_of(processor, usual, config),
        labels=labels_of(settings),
    )


def _map_keys(settings: dict[str, Any], config: ViTConfig, tensors: Tensors) -> KeyMap:
    model = model_of(settings)
    prefix = model.prefix if any(name.startswith(model.prefix) for name in tensors) else ""
    spelling, layer_prefix = transformers_keys.find_spelling(config, model.family, prefix, tensors.keys())
    zeros = {}
    if model.head == "projection":
        zeros["head/logits/bias"] = "the projection has no bias"
    return KeyMap(
        entries=transformers_keys.entries(config, model, prefix, spelling, layer_prefix),
        ignored=_explain_unused(model, prefix, tensors),
        zeros=zeros,
    )


def _explain_unused(model: Model, prefix: str, names: Iterable[str]) -> dict[str, str]:
    parts = {f"{prefix}{part}": reason for part, reason in _UNUSED_PARTS.items()} | _UNUSED_NAMES
    if model.head == "classifier" and model.family == "clip":
        parts[f"{prefix}post_layernorm."] = "the classifier reads tokens that are not normalised"
    if model.head == "classifier" and model.family == "siglip":
        parts[f"{prefix}head."] = "the classifier reads the mean of all tokens instead"
    return {name: reason for name in names for part, reason in parts.items() if name.startswith(part)}


LAYOUT = Layout(name="transformers", recognises=_recognises, describe=_describe, map_keys=_map_keys)
TO_TRANSFORMERS = Writer(transformers_writing.transformers_settings, transformers_writing.entries)
