"""timm's layout of BEiTs: canonical tensors, with biases of each layer or of all."""

from typing import Any

from keras_vit.models.beit import key_maps
from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.beit.layouts.timm_arguments import config_of
from keras_vit.models.beit.presets import TABLES
from keras_vit.models.layout import KeyMap, Tensors
from keras_vit.models.timm_layout import timm_layout

_SHARED_BIASES = "rel_pos_bias.relative_position_bias_table"


def _map_keys(settings: dict[str, Any], config: BEiTConfig, tensors: Tensors) -> KeyMap:
    return KeyMap(
        entries=key_maps.canonical(config, _SHARED_BIASES if _SHARED_BIASES in tensors else None),
        ignored=key_maps.explain_unused(tensors),
    )


LAYOUT = timm_layout(TABLES, config_of, _map_keys)
