"""What one image costs a Swin Transformer: multiplications with an addition, counted from its settings."""

from keras_vit.models.shifted_windows.stages import Size, SwinStages


def count_macs(config: SwinStages, image_size: Size) -> int:
    """Returns the multiply-accumulate operations for one image of (height, width) pixels.

    Counted are the products of all dense layers and of attention, padding included where windows reach beyond a grid;
    norms, activations, additions and biases of positions, all of them small, are not.
    """
    if config.image_size is not None:
        config = config.replace(image_size=image_size)  # small grids have smaller windows
    grids, kernels = config.grid_sizes_of(image_size), _kernels(config)
    macs = grids[0][0] * grids[0][1] * kernels["patches"]
    for stage, (grid, window, depth) in enumerate(zip(grids, config.window_sizes, config.depths, strict=True)):
        embed_dim = config.embed_dims[stage]
        num_patches, num_padded = grid[0] * grid[1], _fill(grid[0], window[0]) * _fill(grid[1], window[1])
        attention = 2 * window[0] * window[1] * embed_dim  # queries with keys, weights with values
        if stage:
            macs += num_patches * 2 * embed_dim * embed_dim  # four patches of half the width
        of_layer = num_padded * (4 * embed_dim**2 + attention) + num_patches * 2 * embed_dim * config.mlp_dims[stage]
        macs += depth * of_layer
    vectors = grids[-1][0] * grids[-1][1] if config.pooling == "none" else 1
    return macs + vectors * kernels["head"]


def count_kernels(config: SwinStages) -> int:
    """Returns how many weights the kernels have that both versions share."""
    return sum(_kernels(config).values())


def _kernels(config: SwinStages) -> dict[str, int]:
    height, width = config.patch_size
    dims = list(zip(config.embed_dims, config.mlp_dims, config.depths, strict=True))
    return {
        "patches": height * width * config.in_channels * config.embed_dim,
        "merging": sum(2 * embed_dim**2 for embed_dim in config.embed_dims[1:]),
        "encoders": sum(depth * (4 * embed_dim**2 + 2 * embed_dim * mlp_dim) for embed_dim, mlp_dim, depth in dims),
        "head": config.embed_dims[-1] * config.num_classes,
    }


def _fill(size: int, window: int) -> int:
    return -(-size // window) * window
