"""The Swin Transformer (Swin)."""

from keras_vit.models.swin.config import SwinConfig
from keras_vit.models.swin.model import Swin

__all__ = ["Swin", "SwinConfig"]
