"""Resampling: fits tables of positions and patch kernels to another number of rows and columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def bicubic_matrix(size_in: Any, size_out: Any, xp: Any = np) -> Any:
    """Returns the matrix that resizes one axis by antialiased bicubic interpolation.

    `matrix @ values` equals PIL's BICUBIC, torch's `interpolate(mode="bicubic", antialias=True)` and
    `keras.ops.image.resize(..., "bicubic", antialias=True)` along that axis. Equal sizes give the identity, exactly.

    Args:
        size_in: Length of the axis before, > 0; a whole number, or a scalar whole-number tensor if `xp` is `keras.ops`.
        size_out: Length of the axis after, likewise.
        xp: `numpy` (float64 result) or `keras.ops` (float32 tensor; sizes may be known at run time only).

    Returns:
        (size_out, size_in); each row sums to 1.

    Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981, with a = -0.5; stretched by the
        scale when shrinking, as PIL does.
    """
    if _is_whole(size_in) and _is_whole(size_out):
        matrix = _numpy_matrix(int(size_in), int(size_out))
        return matrix if xp is np else xp.convert_to_tensor(matrix.astype("float32"))
    # Sizes go into arange as they are (JAX needs plain numbers there), and become floats afterwards.
    inputs = xp.cast(xp.arange(size_in), "float32")[None, :]
    outputs = xp.cast(xp.arange(size_out), "float32")[:, None]
    size_in, size_out = xp.cast(size_in, "float32"), xp.cast(size_out, "float32")
    return _weights(inputs, outputs, size_in, size_out, xp)


def keys_cubic(distance: Any, xp: Any) -> Any:
    """Returns the weights of Keys' cubic, a = -0.5, at distances >= 0 in pixels of the coarser grid."""
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return xp.where(distance < 1, near, xp.where(distance < 2, far, xp.zeros_like(distance)))


def resample_grid(table: Array, rows: int, cols: int) -> Array:
    """Returns a (old rows, old columns, depth) table resampled to (rows, cols, depth), in its own dtype.

    The grid is never guessed from a token count: 12 x 16 and 16 x 12 differ. A table that fits comes back unchanged.
    """
    if table.ndim != 3 or 0 in table.shape:
        raise ValueError(
            f"resample_grid needs a table of shape (rows, columns, depth), none of them 0; got shape {table.shape}."
        )
    if not (_is_whole(rows) and _is_whole(cols)) or rows < 1 or cols < 1:
        raise ValueError(f"resample_grid needs whole rows >= 1 and cols >= 1; got {rows=}, {cols=}.")
    if table.shape[:2] == (rows, cols):
        return table
    down = bicubic_matrix(table.shape[0], rows)
    across = bicubic_matrix(table.shape[1], cols)
    resampled: Array = np.einsum("ai,bj,ijd->abd", down, across, table.astype("float64"), optimize=True)
    return resampled.astype(table.dtype)


def resample_patch_kernel(kernel: Array, height: int, width: int) -> Array:
    """Returns a patch kernel (height, width, channels, embed_dim) for patches of another size, in its own dtype.

    The new kernel gives, for an enlarged patch, what the old one gave for the patch itself, as nearly as possible: it
    is the old one times the pseudo-inverse of the transposed resize (of each axis, since the resize treats both apart).

    Source: Beyer et al., "FlexiViT: One Model for All Patch Sizes", 2023, arXiv 2212.08013, equation 4.
    """
    if kernel.shape[:2] == (height, width):
        return kernel
    down = np.linalg.pinv(bicubic_matrix(kernel.shape[0], height).T)
    across = np.linalg.pinv(bicubic_matrix(kernel.shape[1], width).T)
    resampled: Array = np.einsum("ai,bj,ijcd->abcd", down, across, kernel.astype("float64"), optimize=True)
    return resampled.astype(kernel.dtype)


def resample_relative_positions(table: Array, stored: tuple[int, int], wanted: tuple[int, int]) -> Array:
    """Returns a table of relative position biases for another grid, in its own dtype.

    A row for each offset, (2 * rows - 1) * (2 * columns - 1) of them, is resampled; rows after them, which belong to a
    class token, stay as they are. Offsets of the stored grid are taken to lie further apart the longer they are, in a
    geometric progression that ends where the wanted grid does; between them, biases are interpolated linearly.

    Args:
        table: (offsets [+ rows of a class token], num_heads).
        stored: Rows and columns of the grid that the table is for.
        wanted: Those of the new grid.

    Source: timm's `resize_rel_pos_bias_table`, after Bao et al., "BEiT", 2022, arXiv 2106.08254.
    """
    if stored == wanted:
        return table
    rows, columns = (2 * size - 1 for size in stored)
    down, across = (_offsets_matrix(*sizes) for sizes in zip(stored, wanted, strict=True))
    grid = table[: rows * columns].reshape(rows, columns, -1).astype("float64")
    resampled = np.einsum("ai,bj,ijh->abh", down, across, grid, optimize=True).reshape(-1, table.shape[1])
    return np.concatenate([resampled.astype(table.dtype), table[rows * columns :]])


def _offsets_matrix(size_in: int, size_out: int) -> Array:
    """Returns the matrix, (2 * size_out - 1, 2 * size_in - 1), that resamples biases of offsets along one axis."""
    num_in, num_out = size_in - 1, size_out - 1  # positive offsets
    positive = np.cumsum(_common_ratio(num_in, num_out) ** np.arange(num_in))
    places = np.concatenate([-positive[::-1], [0.0], positive])
    offsets = np.arange(-num_out, num_out + 1)
    return np.stack([np.interp(offsets, places, row) for row in np.eye(len(places))], axis=1)


def _common_ratio(num_in: int, num_out: int) -> float:
    """Returns the ratio q, from 1.01 to 1.5, for which 1 + q + q^2 + ... of `num_in` terms is nearest to `num_out`."""
    low, high, ratio = 1.01, 1.5, 1.01
    while high - low > 1e-6:  # halved as the source does, so that numbers agree
        ratio = (low + high) / 2
        if (1 - ratio**num_in) / (1 - ratio) > num_out:
            high = ratio
        else:
            low = ratio
    return ratio


def _is_whole(size: Any) -> bool:
    return isinstance(size, (int, np.integer)) and not isinstance(size, bool)


def _numpy_matrix(size_in: int, size_out: int) -> Array:
    if size_in < 1 or size_out < 1:
        raise ValueError(f"bicubic_matrix needs sizes >= 1; got {size_in=}, {size_out=}.")
    if size_in == size_out:
        return np.eye(size_in)
    inputs = np.arange(size_in, dtype="float64")[None, :]
    outputs = np.arange(size_out, dtype="float64")[:, None]
    weights: Array = _weights(inputs, outputs, size_in, size_out, np)
    return weights


def _weights(inputs: Any, outputs: Any, size_in: Any, size_out: Any, xp: Any) -> Any:
    # The distance |(a + 0.5) * size_in / size_out - 0.5 - i| / max(size_in / size_out, 1) over one denominator: both
    # products are whole numbers, exact in float32 up to 2^24, so equal sizes give whole distances and the identity.
    distance = xp.abs((2 * outputs + 1) * size_in - (2 * inputs + 1) * size_out) / (2 * xp.maximum(size_in, size_out))
    weights = keys_cubic(distance, xp)
    return weights / xp.sum(weights, axis=1, keepdims=True)
