"""What one image costs a BEiT: multiplications with an addition, counted from its settings."""

from keras_vit.layers.relative_positions import count_relative_positions
from keras_vit.models.beit.config import BEiTConfig


def count_macs(config: BEiTConfig, image_size: tuple[int, int]) -> int:
    """Returns the multiply-accumulate operations for one image of (height, width) pixels.

    Counted are the products of all dense layers and of attention; norms, activations and additions, biases of offsets
    among them, are not.
    """
    embed_dim, (patch_height, patch_width) = config.embed_dim, config.patch_size
    num_patches = (image_size[0] // patch_height) * (image_size[1] // patch_width)
    num_tokens = 1 + num_patches
    kernels = 4 * embed_dim**2 + 2 * embed_dim * config.mlp_dim  # queries, keys, values, projection; feed-forward
    attention = 2 * num_tokens**2 * embed_dim  # queries with keys, weights with values
    embedding = num_patches * patch_height * patch_width * config.in_channels * embed_dim
    logits = embed_dim * config.num_classes * (num_tokens if config.pooling == "none" else 1)
    return embedding + config.depth * (num_tokens * kernels + attention) + logits


def count_weights(config: BEiTConfig) -> int:
    """Returns about how many weights a model has: the cost of one token, which meets every kernel, and its places."""
    rows, columns = config.grid_size
    kernels = count_macs(config, config.patch_size) // 2  # a patch and the class token
    biases = count_relative_positions((rows, columns), use_class_token=True) * config.num_heads
    positions = rows * columns * config.embed_dim if config.positional_encoding == "learned" else 0
    return kernels + positions + (config.depth * biases if config.use_position_bias else 0)
