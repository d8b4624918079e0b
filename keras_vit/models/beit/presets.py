"""The presets of BEiT: timm's published checkpoints, and the short names for the usual ones."""

from pathlib import Path

from keras_vit.models.catalogue import Preset
from keras_vit.models.timm_tables import TimmTables

# FAMILY_SIZE[_IMAGE SIZE | _in22k] -> full name. Without an image size it is 224. Plain names and those with an image
# size are the classifier of ImageNet-1k that was fine-tuned on ImageNet-22k before: the one of its architecture with
# the best reported top-1; _in22k is that model before ImageNet-1k.
SHORT_NAMES = {
    "beit_b16": "beit_base_patch16_224.in22k_ft_in22k_in1k",
    "beit_b16_384": "beit_base_patch16_384.in22k_ft_in22k_in1k",
    "beit_b16_in22k": "beit_base_patch16_224.in22k_ft_in22k",
    "beit_l16": "beit_large_patch16_224.in22k_ft_in22k_in1k",
    "beit_l16_384": "beit_large_patch16_384.in22k_ft_in22k_in1k",
    "beit_l16_512": "beit_large_patch16_512.in22k_ft_in22k_in1k",
    "beit_l16_in22k": "beit_large_patch16_224.in22k_ft_in22k",
    "beitv2_b16": "beitv2_base_patch16_224.in1k_ft_in22k_in1k",
    "beitv2_b16_in22k": "beitv2_base_patch16_224.in1k_ft_in22k",
    "beitv2_l16": "beitv2_large_patch16_224.in1k_ft_in22k_in1k",
    "beitv2_l16_in22k": "beitv2_large_patch16_224.in1k_ft_in22k",
}

TABLES = TimmTables(architecture="BEiT", folder=Path(__file__).parent, short_names=SHORT_NAMES)


def presets() -> tuple[Preset, ...]:
    """Returns all presets of BEiT: timm's checkpoints by full name, and again those with a short name."""
    return TABLES.presets
