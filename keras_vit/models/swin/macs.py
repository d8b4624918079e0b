"""About how many weights a Swin Transformer has."""

from keras_vit.layers.relative_positions import count_relative_positions
from keras_vit.models.shifted_windows.costs import count_kernels
from keras_vit.models.swin.config import SwinConfig


def count_weights(config: SwinConfig) -> int:
    """Returns about how many weights a model has: its kernels and tables of positions, without norms and biases."""
    tables = [count_relative_positions(window) for window in config.window_sizes]
    return count_kernels(config) + sum(tables[stage] * config.num_heads[stage] for stage in config.stages)
