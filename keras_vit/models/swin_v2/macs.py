"""About how many weights a Swin Transformer V2 has."""

from keras_vit.layers.continuous_position_bias import HIDDEN_DIM
from keras_vit.models.shifted_windows.costs import count_kernels
from keras_vit.models.swin_v2.config import SwinV2Config


def count_weights(config: SwinV2Config) -> int:
    """Returns about how many weights a model has: its kernels and networks of positions, without norms and biases."""
    return count_kernels(config) + sum(HIDDEN_DIM * (3 + config.num_heads[stage]) for stage in config.stages)
