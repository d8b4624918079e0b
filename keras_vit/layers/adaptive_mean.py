"""Adaptive mean: averages a grid of patches of any size down, or up, to a grid of a fixed size."""

from typing import Any

from keras import ops


def adaptive_mean(patches: Any, size: int) -> Any:
    """Returns the means of `size` x `size` bins that cover the grid; neighbours share patches where they must.

    Args:
        patches: (batch, rows, columns, channels), rows and columns possibly known at run time only.
        size: Rows and columns of the result, > 0.

    Returns:
        (batch, size, size, channels).

    Source: PyTorch's `AdaptiveAvgPool2d`.
    """
    rows, columns = ops.shape(patches)[1:3]
    to_rows, to_columns = (ops.cast(_bins(length, size), patches.dtype) for length in (rows, columns))
    return ops.einsum("ai,bj,nijc->nabc", to_rows, to_columns, patches)


def _bins(length: Any, size: int) -> Any:
    """Returns (size, length): equal shares in row a from a * length / size, rounded down, to the next, rounded up."""
    numbers, places = ops.arange(size, dtype="int32"), ops.arange(length, dtype="int32")
    starts, ends = numbers * length // size, ((numbers + 1) * length + size - 1) // size
    is_inside = ops.logical_and(places[None] >= starts[:, None], places[None] < ends[:, None])
    return ops.cast(is_inside, "float32") / ops.cast(ends - starts, "float32")[:, None]
