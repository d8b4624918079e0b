"""The presets of HybridViT: timm's published checkpoints, and the short names for the usual ones."""

from pathlib import Path

from keras_vit.models.catalogue import Preset
from keras_vit.models.timm_tables import TimmTables
from keras_vit.models.vit.presets import count_folded

# STEM_SIZE[_KIND][_IMAGE SIZE] -> full name, as their authors write R26+S/32. Without an image size it is 224, or the
# smallest that is published; without a kind, the classifier of ImageNet-1k, of which each architecture has one.
# MobileCLIP's encoder is that of its authors' first paper.
SHORT_NAMES = {
    "r_ti16": "vit_tiny_r_s16_p8_224.augreg_in21k_ft_in1k",
    "r_ti16_384": "vit_tiny_r_s16_p8_384.augreg_in21k_ft_in1k",
    "r_ti16_in21k": "vit_tiny_r_s16_p8_224.augreg_in21k",
    "r26_s32": "vit_small_r26_s32_224.augreg_in21k_ft_in1k",
    "r26_s32_384": "vit_small_r26_s32_384.augreg_in21k_ft_in1k",
    "r26_s32_in21k": "vit_small_r26_s32_224.augreg_in21k",
    "r50_b16": "vit_base_r50_s16_384.orig_in21k_ft_in1k",
    "r50_b16_in21k": "vit_base_r50_s16_224.orig_in21k",
    "r50_l32": "vit_large_r50_s32_224.augreg_in21k_ft_in1k",
    "r50_l32_384": "vit_large_r50_s32_384.augreg_in21k_ft_in1k",
    "r50_l32_in21k": "vit_large_r50_s32_224.augreg_in21k",
    "mobileclip_b16": "vit_base_mci_224.apple_mclip",
}

TABLES = TimmTables(
    architecture="HybridViT",
    folder=Path(__file__).parent,
    short_names=SHORT_NAMES,
    count_folded=count_folded,
)


def presets() -> tuple[Preset, ...]:
    """Returns all presets of HybridViT: timm's checkpoints by full name, and again those with a short name."""
    return TABLES.presets
