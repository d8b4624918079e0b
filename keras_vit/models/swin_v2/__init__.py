"""The Swin Transformer V2 (SwinV2)."""

from keras_vit.models.swin_v2.config import SwinV2Config
from keras_vit.models.swin_v2.model import SwinV2

__all__ = ["SwinV2", "SwinV2Config"]
