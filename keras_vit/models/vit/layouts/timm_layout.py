"""timm's layout of ViTs: canonical tensors, with or without positions for prefix tokens."""

from typing import Any

from keras_vit.models.layout import KeyMap, Tensors, shape_of
from keras_vit.models.timm_layout import timm_layout
from keras_vit.models.vit import key_maps
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.timm_arguments import config_of
from keras_vit.models.vit.presets import TABLES


def count_position_rows(config: ViTConfig, tensors: Tensors) -> int:
    """Returns how many rows in front of the position table belong to prefix tokens: none or all."""
    if config.positional_encoding == "none" or "pos_embed" not in tensors:
        return 0
    shape, num_places = shape_of(tensors, "pos_embed"), config.grid_size[0] * config.grid_size[1]
    extra = shape[1] - num_places if len(shape) == 3 else 0
    return extra if extra == config.num_prefix_tokens else 0  # what else differs is told as a wrong shape


def _map_keys(settings: dict[str, Any], config: ViTConfig, tensors: Tensors) -> KeyMap:
    return KeyMap(entries=key_maps.canonical(config, count_position_rows(config, tensors)))


LAYOUT = timm_layout(TABLES, config_of, _map_keys)
