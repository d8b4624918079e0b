"""EVA and its relatives: Vision Transformers whose attention turns queries and keys by position."""

from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.eva.model import EVA

__all__ = ["EVA", "EVAConfig"]
