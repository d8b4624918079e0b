"""The Vision Transformer (ViT)."""

from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.model import ViT

__all__ = ["ViT", "ViTConfig"]
