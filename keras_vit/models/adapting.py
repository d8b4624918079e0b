"""Adaptations that architectures share: stored weights for another grid of positions, patch size or channels."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_vit.checkpoints import Adaptation
from keras_vit.layers.relative_positions import count_relative_positions
from keras_vit.resampling import resample_grid, resample_patch_kernel, resample_relative_positions

Array = NDArray[Any]
Size = tuple[int, int]


def position_adaptation(stored: Size, wanted: Size, embed_dim: int) -> Adaptation:
    """Returns how a position table (rows, columns, embed_dim) becomes one for another grid."""
    return Adaptation(
        shape=(*stored, embed_dim), fit=functools.partial(_fit_positions, rows=wanted[0], columns=wanted[1])
    )


def relative_position_adaptation(
    stored: Size, wanted: Size, num_heads: int, *, use_class_token: bool = False
) -> Adaptation:
    """Returns how a table of biases, a row for each offset between two patches, becomes one for another grid.

    Args:
        stored: Rows and columns of the grid, or window, that the table is for.
        wanted: Those of the model.
        num_heads: Number of attention heads.
        use_class_token: Whether the table ends with the rows of a class token.
    """
    num_rows = count_relative_positions(stored, use_class_token=use_class_token)
    return Adaptation(
        shape=(num_rows, num_heads), fit=functools.partial(resample_relative_positions, stored=stored, wanted=wanted)
    )


def kernel_adaptation(stored: tuple[Size, int], wanted: tuple[Size, int], embed_dim: int) -> Adaptation:
    """Returns how a patch kernel becomes one for another patch size or number of channels.

    Args:
        stored: Patch size (height, width) in pixels and number of channels that the kernel is for.
        wanted: Those of the model.
        embed_dim: Length of a token.
    """
    return Adaptation(
        shape=(*stored[0], stored[1], embed_dim),
        fit=functools.partial(_fit_kernel, patch_size=wanted[0], in_channels=wanted[1]),
        status="adapted" if stored[1] != wanted[1] else "resampled",
    )


def adapt_channels(kernel: Array, in_channels: int) -> Array:
    """Returns a patch kernel (height, width, channels, embed_dim) for another number of channels.

    One channel gets the sum over colours, so that a grey image gives what its three equal channels gave. More
    channels repeat red, green, blue and scale them, so that the sums keep their size.

    Raises:
        ValueError: The kernel is not for RGB images.

    Source: timm's `adapt_input_conv`.
    """
    stored = kernel.shape[2]
    if stored == in_channels:
        return kernel
    if stored != 3:
        raise ValueError(f"only kernels for 3 channels can be adapted; this one has {stored}, wanted are {in_channels}")
    if in_channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    repeated = np.tile(kernel, (1, 1, -(-in_channels // 3), 1))[:, :, :in_channels]
    return repeated * np.asarray(3 / in_channels, kernel.dtype)


def _fit_positions(table: Array, *, rows: int, columns: int) -> Array:
    return resample_grid(table, rows, columns)


def _fit_kernel(kernel: Array, *, patch_size: tuple[int, int], in_channels: int) -> Array:
    return resample_patch_kernel(adapt_channels(kernel, in_channels), *patch_size)
