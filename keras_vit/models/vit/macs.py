"""What one image costs a Vision Transformer: multiplications with an addition, counted from its settings."""

from keras_vit.models.vit.config import ViTConfig


def count_macs(config: ViTConfig, image_size: tuple[int, int]) -> int:
    """Returns the multiply-accumulate operations for one image of (height, width) pixels.

    Counted are the products of all dense layers and of attention, as torchvision and fvcore count them; norms,
    activations and additions, all of them small, are not.
    """
    embed_dim, (patch_height, patch_width) = config.embed_dim, config.patch_size
    rows, columns = _count_patches(config, image_size[0], 0), _count_patches(config, image_size[1], 1)
    num_tokens = config.num_prefix_tokens + rows * columns
    embedding = rows * columns * patch_height * patch_width * config.in_channels * embed_dim
    num_windowed = len(config.windowed_layers)
    attention = (config.depth - num_windowed) * _attention(config, num_tokens)
    if num_windowed:
        attention += num_windowed * _windowed_attention(config, rows, columns)
    return embedding + attention + config.depth * num_tokens * _mlp_kernels(config) + _head(config, rows * columns)


def count_weights(config: ViTConfig) -> int:
    """Returns about how many weights a model has: the cost of one token, which meets every kernel, and positions."""
    rows, columns = config.grid_size
    kernels = count_macs(config.replace(window_size=None), config.patch_size) // (1 + config.num_prefix_tokens)
    return kernels + rows * columns * config.embed_dim


def _count_patches(config: ViTConfig, size: int, axis: int) -> int:
    patch = config.patch_size[axis]
    return -(-size // patch) if config.pad else size // patch


def _attention(config: ViTConfig, num_tokens: int) -> int:
    kernels = 3 * config.embed_dim**2 + config.embed_dim**2  # query, key and value; projection
    return num_tokens * kernels + 2 * num_tokens**2 * config.embed_dim  # queries with keys, weights with values


def _windowed_attention(config: ViTConfig, rows: int, columns: int) -> int:
    """Counts what windows are filled up with, too; prefix tokens take no part."""
    height, width = config.window_size or (rows, columns)
    num_windows = -(-rows // height) * -(-columns // width)
    return num_windows * _attention(config, height * width)


def _mlp_kernels(config: ViTConfig) -> int:
    return (3 if config.mlp == "swiglu" else 2) * config.embed_dim * config.mlp_dim  # a gate is a third kernel


def _head(config: ViTConfig, num_patches: int) -> int:
    embed_dim, num_tokens = config.embed_dim, config.num_prefix_tokens + num_patches
    width = embed_dim * (2 if config.pooling == "token_mean" else 1)
    pre_logits = width * config.pre_logits_dim if config.pre_logits_dim else 0
    logits = (config.pre_logits_dim or width) * config.num_classes * (2 if config.use_distillation_token else 1)
    vectors = num_tokens if config.pooling == "none" else 1
    return _attention_pooling(config, num_patches) + vectors * (pre_logits + logits)


def _attention_pooling(config: ViTConfig, num_patches: int) -> int:
    if config.pooling != "attention":
        return 0
    embed_dim = config.embed_dim
    num_tokens = num_patches + (config.num_prefix_tokens if config.pool_prefix_tokens else 0)
    keys_and_values = num_tokens * 2 * embed_dim**2
    # The one query: its own dense layer, against all tokens, the projection, and a plain feed-forward part.
    query = embed_dim**2 + 2 * num_tokens * embed_dim + embed_dim**2 + 2 * embed_dim * config.mlp_dim
    return keys_and_values + query
