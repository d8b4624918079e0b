"""timm's layout of pyramid transformers: canonical tensors."""

from typing import Any

from keras_vit.models.layout import KeyMap, Tensors
from keras_vit.models.pyramid_vit import key_maps
from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.pyramid_vit.layouts.timm_arguments import config_of
from keras_vit.models.pyramid_vit.presets import TABLES
from keras_vit.models.timm_layout import timm_layout


def _map_keys(settings: dict[str, Any], config: PyramidViTConfig, tensors: Tensors) -> KeyMap:
    return KeyMap(entries=key_maps.canonical(config))


LAYOUT = timm_layout(TABLES, config_of, _map_keys)
