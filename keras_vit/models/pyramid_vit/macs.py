"""What one image costs a pyramid transformer: multiplications with an addition, counted from its settings."""

from keras_vit.models.pyramid_vit.config import PyramidViTConfig

_NUM_POOLED = 7 * 7  # keys where they come from means
_NEIGHBOURS = 3 * 3  # that a depthwise convolution reads


def count_macs(config: PyramidViTConfig, image_size: tuple[int, int]) -> int:
    """Returns the multiply-accumulate operations for one image of (height, width) pixels.

    Counted are the products of convolutions, of dense layers and of attention, as fvcore counts them; norms,
    activations, means and additions, all of them small, are not.
    """
    total, (rows, columns), in_dim = 0, image_size, config.in_channels
    for index, stage in enumerate(config.stages):
        rows, columns = -(-rows // stage.stride), -(-columns // stage.stride)
        dim, size = config.embed_dims[index], config.reduction_sizes[index]
        num_patches, num_keys = rows * columns, (rows // size) * (columns // size)
        if config.use_pooling:
            num_keys, size = _NUM_POOLED, 1
        total += num_patches * stage.patch_size**2 * in_dim * dim
        mlp = 2 * dim * config.mlp_dims[index] + _NEIGHBOURS * config.mlp_dims[index]
        total += len(stage.encoders) * num_patches * (2 * dim**2 + mlp)  # query and projection; feed-forward part
        total += len(stage.encoders) * num_keys * _kernels_of_keys(config, dim, size)
        total += len(stage.encoders) * 2 * num_patches * num_keys * dim  # queries with keys, weights with values
        in_dim = dim
    vectors = rows * columns if config.pooling == "none" else 1
    return total + vectors * in_dim * config.num_classes


def count_weights(config: PyramidViTConfig) -> int:
    """Returns about how many weights a model has: its kernels."""
    total, in_dim = 0, config.in_channels
    for index, stage in enumerate(config.stages):
        dim, mlp_dim = config.embed_dims[index], config.mlp_dims[index]
        size = 1 if config.use_pooling else config.reduction_sizes[index]
        layer = 2 * dim**2 + _kernels_of_keys(config, dim, size) + 2 * dim * mlp_dim + _NEIGHBOURS * mlp_dim
        total += stage.patch_size**2 * in_dim * dim + len(stage.encoders) * layer
        in_dim = dim
    return total + in_dim * config.num_classes


def _kernels_of_keys(config: PyramidViTConfig, dim: int, size: int) -> int:
    """Returns what one place of the reduced grid costs: keys and values, and its convolution where there is one."""
    has_reduction = config.use_pooling or size > 1
    return 2 * dim**2 + (size**2 * dim**2 if has_reduction else 0)
