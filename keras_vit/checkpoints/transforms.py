"""Transforms: how one variable's array differs from its tensor in a file, as named pairs that undo each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

_STRIP = 64  # rows; a strip of 64 x 4096 float32 has 1 MB


@dataclass(frozen=True)
class Transform:
    """A named, invertible change of layout; `read` and `write` move numbers, they never change one.

    Args:
        name: Appears in reports.
        file_shape: Shape in the file, given the variable's shape.
        read: (array from the file, variable's shape) -> array for the variable.
        write: Array of the variable -> array for the file.
        is_part: The tensor belongs to several variables, and this is the part of one.
    """

    name: str
    file_shape: Callable[[Shape], Shape]
    read: Callable[[Array, Shape], Array]
    write: Callable[[Array], Array]
    is_part: bool = False


identity = Transform(
    "identity",
    file_shape=lambda shape: shape,
    read=lambda array, shape: array,
    write=lambda array: array,
)


def _transposed(array: Array) -> Array:
    """Returns a transposed copy, made in strips that fit into the processor's cache: twice as fast as NumPy alone."""
    if array.ndim != 2:
        return array.transpose()
    copy = np.empty(array.shape[::-1], array.dtype)
    for start in range(0, len(array), _STRIP):
        copy[:, start : start + _STRIP] = array[start : start + _STRIP].T
    return copy


# Dense kernels: ours (in, out), PyTorch's (out, in).
transpose = Transform(
    "transpose",
    file_shape=lambda shape: shape[::-1],
    read=lambda array, shape: _transposed(array),
    write=lambda array: array.transpose(),
)

# Patch embedding kernels: ours (patch height, patch width, channels, embed_dim), PyTorch's convolution
# (embed_dim, channels, patch height, patch width).
patch_kernel = Transform(
    "patch_kernel",
    file_shape=lambda shape: (shape[3], shape[2], shape[0], shape[1]),
    read=lambda array, shape: array.transpose(2, 3, 1, 0),
    write=lambda array: array.transpose(3, 2, 0, 1),
)


# Depthwise kernels: ours (height, width, channels, 1), PyTorch's grouped convolution (channels, 1, height, width).
depthwise_kernel = Transform(
    "depthwise_kernel",
    file_shape=lambda shape: (shape[2], shape[3], shape[0], shape[1]),
    read=lambda array, shape: array.transpose(2, 3, 0, 1),
    write=lambda array: array.transpose(2, 3, 0, 1),
)


def position_grid(num_prefix_rows: int = 0) -> Transform:
    """Tables of positions: ours (rows, columns, embed_dim), timm's (1, prefix + rows * columns, embed_dim), row by row.

    The rows in front belong to prefix tokens; they are left out here and written as zeros.
    """
    return Transform(
        "position_grid",
        file_shape=lambda shape: (1, num_prefix_rows + shape[0] * shape[1], shape[2]),
        read=lambda array, shape: array[:, num_prefix_rows:].reshape(shape),
        write=lambda array: np.pad(
            array.reshape(1, -1, array.shape[-1]), ((0, 0), (num_prefix_rows, 0), (0, 0)), mode="constant"
        ),
    )


def rows_of(transform: Transform, start: int, stop: int, total: int) -> Transform:
    """Rows of a tensor that holds several variables, one below the other; their entries are listed in that order."""
    return Transform(
        f"rows {start}:{stop} of {transform.name}",
        file_shape=lambda shape: (total, *transform.file_shape(shape)[1:]),
        read=lambda array, shape: transform.read(array[start:stop], shape),
        write=transform.write,
        is_part=True,
    )


# Rows of tokens or queries: ours (count, embed_dim), timm's (1, count, embed_dim).
row_vector = Transform(
    "row_vector",
    file_shape=lambda shape: (1, *shape),
    read=lambda array, shape: array.reshape(shape),
    write=lambda array: array[None],
)
