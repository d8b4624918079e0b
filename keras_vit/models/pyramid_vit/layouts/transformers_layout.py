"""transformers' layout: config.json with a model_type, and tensors named by its models; read, and written back."""

from typing import Any

from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, Writer
from keras_vit.models.pyramid_vit import key_maps
from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.pyramid_vit.layouts import transformers_writing
from keras_vit.models.pyramid_vit.layouts.transformers_keys import find_spelling
from keras_vit.models.pyramid_vit.layouts.transformers_settings import (
    DEFAULTS,
    USUAL_PROCESSORS,
    config_of,
    labels_of,
)
from keras_vit.models.transformers_images import preprocessing_of

_DECODER = "decode_head."  # of SegFormer


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    model_type = settings.get("model_type")
    return isinstance(model_type, str) and model_type in DEFAULTS


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    config = config_of(settings)
    processor, usual = settings.get("preprocessor"), USUAL_PROCESSORS[settings["model_type"]]
    return Description(
        architecture="PyramidViT",
        config=config,
        preprocessing=None if processor is None else preprocessing_of(processor, usual, config),
        labels=labels_of(settings),
    )


def _map_keys(settings: dict[str, Any], config: PyramidViTConfig, tensors: Tensors) -> KeyMap:
    model_type = settings["model_type"]
    prefix = f"{model_type}."
    prefix = prefix if any(name.startswith(prefix) for name in tensors) else ""
    reason = "the decoder labels pixels; the model here is its encoder"
    return KeyMap(
        entries=key_maps.entries(config, find_spelling(model_type, prefix, tensors.keys()), prefix),
        ignored={name: reason for name in tensors if name.startswith(_DECODER)},
    )


LAYOUT = Layout(name="transformers", recognises=_recognises, describe=_describe, map_keys=_map_keys)
TO_TRANSFORMERS = Writer(transformers_writing.transformers_settings, transformers_writing.entries)
