"""timm's layout of Swin: canonical tensors, or those of the authors, whose names differ a little."""

from typing import Any

from keras_vit.models.layout import KeyMap, Tensors
from keras_vit.models.shifted_windows.names import explain_buffers, timm_spelling
from keras_vit.models.swin import key_maps
from keras_vit.models.swin.config import SwinConfig
from keras_vit.models.swin.layouts.timm_arguments import config_of
from keras_vit.models.swin.presets import TABLES
from keras_vit.models.timm_layout import timm_layout


def _map_keys(settings: dict[str, Any], config: SwinConfig, tensors: Tensors) -> KeyMap:
    entries = key_maps.canonical(config, timm_spelling(tensors))
    return KeyMap(entries=entries, ignored=explain_buffers(tensors))


LAYOUT = timm_layout(TABLES, config_of, _map_keys)
