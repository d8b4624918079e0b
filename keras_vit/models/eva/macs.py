"""What one image costs an EVA model: multiplications with an addition, counted from its settings."""

from keras_vit.models.eva.config import EVAConfig


def count_macs(config: EVAConfig, image_size: tuple[int, int]) -> int:
    """Returns the multiply-accumulate operations for one image of (height, width) pixels.

    Counted are the products of all dense layers and of attention, as torchvision and fvcore count them; norms,
    activations, rotations and additions, all of them small, are not.
    """
    embed_dim, (patch_height, patch_width) = config.embed_dim, config.patch_size
    num_patches = (image_size[0] // patch_height) * (image_size[1] // patch_width)
    num_tokens = config.num_prefix_tokens + num_patches
    attention = 2 * num_tokens**2 * embed_dim  # queries with keys, weights with values
    embedding = num_patches * patch_height * patch_width * config.in_channels * embed_dim
    return embedding + num_tokens * _kernels(config) + config.depth * attention + _head(config, num_tokens)


def count_weights(config: EVAConfig) -> int:
    """Returns about how many weights a model has: the cost of one token, which meets every kernel, and positions."""
    rows, columns = config.grid_size
    positions = rows * columns * config.embed_dim if config.positional_encoding != "none" else 0
    return count_macs(config, config.patch_size) // (1 + config.num_prefix_tokens) + positions


def _kernels(config: EVAConfig) -> int:
    """Returns what one token costs in the dense layers of all encoder layers."""
    embed_dim = config.embed_dim
    own = config.num_key_value_heads or (config.num_heads,) * config.depth
    key_value = sum(2 * embed_dim * config.head_dim * each for each in own)
    mlp = (3 if config.mlp == "swiglu" else 2) * embed_dim * config.mlp_dim  # a gate is a third kernel
    return key_value + config.depth * (2 * embed_dim**2 + mlp)  # query and projection


def _head(config: EVAConfig, num_tokens: int) -> int:
    embed_dim = config.embed_dim
    logits = embed_dim * config.num_classes * (num_tokens if config.pooling == "none" else 1)
    if config.pooling != "attention":
        return logits
    keys_and_values = num_tokens * 2 * embed_dim**2
    # The one query: its own dense layer, against all tokens, the projection, and a plain feed-forward part.
    query = embed_dim**2 + 2 * num_tokens * embed_dim + embed_dim**2 + 2 * embed_dim * config.pooling_mlp_dim
    return keys_and_values + query + logits
