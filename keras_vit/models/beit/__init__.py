"""BEiT: a Vision Transformer whose attention has a learned bias for each offset between patches."""

from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.beit.model import BEiT

__all__ = ["BEiT", "BEiTConfig"]
