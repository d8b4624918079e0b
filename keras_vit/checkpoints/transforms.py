"""Transforms: how one variable's array differs from its tensor in a file, as named pairs that undo each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Transform:
    """A named, invertible change of layout; `read` and `write` move numbers, they never change one.

    Args:
        name: Appears in reports.
        file_shape: Shape in the file, given the variable's shape.
        read: (array from the file, variable's shape) -> array for the variable.
        write: Array of the variable -> array for the file.
    """

    name: str
    file_shape: Callable[[Shape], Shape]
    read: Callable[[Array, Shape], Array]
    write: Callable[[Array], Array]


identity = Transform(
    "identity",
    file_shape=lambda shape: shape,
    read=lambda array, shape: array,
    write=lambda array: array,
)

# Dense kernels: ours (in, out), PyTorch's (out, in).
transpose = Transform(
    "transpose",
    file_shape=lambda shape: shape[::-1],
    read=lambda array, shape: array.transpose(),
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

# Tables of positions: ours (rows, columns, embed_dim), timm's (1, rows * columns, embed_dim), row by row.
position_grid = Transform(
    "position_grid",
    file_shape=lambda shape: (1, shape[0] * shape[1], shape[2]),
    read=lambda array, shape: array.reshape(shape),
    write=lambda array: array.reshape(1, -1, array.shape[-1]),
)

# Rows of tokens or queries: ours (count, embed_dim), timm's (1, count, embed_dim).
row_vector = Transform(
    "row_vector",
    file_shape=lambda shape: (1, *shape),
    read=lambda array, shape: array.reshape(shape),
    write=lambda array: array[None],
)
