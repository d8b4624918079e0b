"""timm's layout of hybrid ViTs: canonical tensors, with or without positions for prefix tokens."""

from typing import Any

from keras_vit.models.hybrid_vit import key_maps
from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.hybrid_vit.layouts.timm_arguments import config_of
from keras_vit.models.hybrid_vit.presets import TABLES
from keras_vit.models.layout import KeyMap, Tensors
from keras_vit.models.timm_layout import timm_layout
from keras_vit.models.vit.layouts.timm_layout import count_position_rows


def _map_keys(settings: dict[str, Any], config: HybridViTConfig, tensors: Tensors) -> KeyMap:
    entries = key_maps.canonical(config, count_position_rows(config, tensors))
    counters = {name: reason for name, reason in key_maps.counters(config).items() if name in tensors}
    return KeyMap(entries=entries, ignored=counters)


LAYOUT = timm_layout(TABLES, config_of, _map_keys)
