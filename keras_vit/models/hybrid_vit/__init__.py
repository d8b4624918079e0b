"""The hybrid Vision Transformer (HybridViT): convolutions in front of a ViT."""

from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.hybrid_vit.model import HybridViT

__all__ = ["HybridViT", "HybridViTConfig"]
