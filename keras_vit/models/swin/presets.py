"""The presets of Swin: timm's published checkpoints, and short names for the usual ones."""

from pathlib import Path

from keras_vit.models.catalogue import Preset
from keras_vit.models.timm_tables import TimmTables

# swin_SIZE[_IMAGE SIZE][_in21k] -> full name. Without an image size it is 224, or the smallest that is published. A
# classifier of ImageNet-1k is the one of its architecture with the best reported top-1; in21k are those of ImageNet-21k
# that they were made from. Names with s3 are of "Searching the Search Space of Vision Transformer".
SHORT_NAMES = {
    "swin_t": "swin_tiny_patch4_window7_224.ms_in1k",
    "swin_t_in21k": "swin_tiny_patch4_window7_224.ms_in22k",
    "swin_s": "swin_small_patch4_window7_224.ms_in22k_ft_in1k",
    "swin_s_in21k": "swin_small_patch4_window7_224.ms_in22k",
    "swin_b": "swin_base_patch4_window7_224.ms_in22k_ft_in1k",
    "swin_b_384": "swin_base_patch4_window12_384.ms_in22k_ft_in1k",
    "swin_b_in21k": "swin_base_patch4_window7_224.ms_in22k",
    "swin_l": "swin_large_patch4_window7_224.ms_in22k_ft_in1k",
    "swin_l_384": "swin_large_patch4_window12_384.ms_in22k_ft_in1k",
    "swin_l_in21k": "swin_large_patch4_window7_224.ms_in22k",
    "swin_s3_t": "swin_s3_tiny_224.ms_in1k",
    "swin_s3_s": "swin_s3_small_224.ms_in1k",
    "swin_s3_b": "swin_s3_base_224.ms_in1k",
}

TABLES = TimmTables(architecture="Swin", folder=Path(__file__).parent, short_names=SHORT_NAMES)


def presets() -> tuple[Preset, ...]:
    """Returns all presets of Swin: timm's checkpoints by full name, and again those with a short name."""
    return TABLES.presets
