"""The presets of SwinV2: timm's published checkpoints, and short names for the usual ones."""

from pathlib import Path

from keras_vit.models.catalogue import Preset
from keras_vit.models.timm_tables import TimmTables

# swinv2_SIZE[_IMAGE SIZE][_in21k] -> full name. Without an image size it is 256. A classifier of ImageNet-1k is the one
# of its size with the best reported top-1; in21k are those of ImageNet-21k, which is at 192, that they were made from.
SHORT_NAMES = {
    "swinv2_t": "swinv2_tiny_window16_256.ms_in1k",
    "swinv2_s": "swinv2_small_window16_256.ms_in1k",
    "swinv2_b": "swinv2_base_window12to16_192to256.ms_in22k_ft_in1k",
    "swinv2_b_384": "swinv2_base_window12to24_192to384.ms_in22k_ft_in1k",
    "swinv2_b_in21k": "swinv2_base_window12_192.ms_in22k",
    "swinv2_l": "swinv2_large_window12to16_192to256.ms_in22k_ft_in1k",
    "swinv2_l_384": "swinv2_large_window12to24_192to384.ms_in22k_ft_in1k",
    "swinv2_l_in21k": "swinv2_large_window12_192.ms_in22k",
}

TABLES = TimmTables(architecture="SwinV2", folder=Path(__file__).parent, short_names=SHORT_NAMES)


def presets() -> tuple[Preset, ...]:
    """Returns all presets of SwinV2: timm's checkpoints by full name, and again those with a short name."""
    return TABLES.presets
