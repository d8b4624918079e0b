"""Pyramid transformers: PVT v2, and the encoders of SegFormer (MiT)."""

from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.pyramid_vit.model import PyramidViT

__all__ = ["PyramidViT", "PyramidViTConfig"]
