"""Resize matrices: PIL's filters as one matrix per axis, which crops or frames as well."""

import math
from typing import Any

import numpy as np

from keras_vit.resampling import keys_cubic


def resize_matrix(interpolation: str, size_in: Any, size_resized: Any, size_out: int, xp: Any = np) -> Any:
    """Returns the matrix that resizes one axis as PIL does and keeps its middle.

    `matrix @ values` resizes `values` from `size_in` to `size_resized`, then cuts off evenly on both sides what is
    longer than `size_out`, or leaves zeros on both sides of what is shorter.

    Args:
        interpolation: One of `FILTERS`, antialiased: stretched by the scale when shrinking.
        size_in: Length of the axis before, > 0; a whole number, or a scalar int32 tensor if `xp` is `keras.ops`.
        size_resized: Length after resizing, > 0, likewise.
        size_out: Length after cropping or framing, > 0.
        xp: `numpy` (float64 result) or `keras.ops` (float32 tensor; sizes may be known at run time only).

    Returns:
        (size_out, size_in); each row sums to 1, or to 0 where nothing of the image lies.

    Source: Pillow, `src/libImaging/Resample.c` (precompute_coeffs).
    """
    outputs = _floats(xp.arange(size_out), xp) + _floats(first_kept(size_resized, size_out, xp), xp)
    inputs = _floats(xp.arange(size_in), xp)[None, :]
    size_in, size_resized = _floats(size_in, xp), _floats(size_resized, xp)
    lies_in_image = xp.logical_and(outputs >= 0, outputs < size_resized)[:, None]
    # Products of whole numbers, exact in float32 up to 2^24, over one denominator: equal sizes give the identity.
    offsets = (2 * inputs + 1) * size_resized - (2 * outputs[:, None] + 1) * size_in
    weights = FILTERS[interpolation](xp.abs(offsets) / (2 * xp.maximum(size_in, size_resized)), xp)
    weights = weights / xp.sum(xp.where(lies_in_image, weights, 1.0), axis=1, keepdims=True)
    return xp.where(lies_in_image, weights, 0.0)


def first_kept(size_resized: Any, size_out: int, xp: Any = np) -> Any:
    """Returns where the kept middle of a resized axis starts; below 0 where a frame goes around it."""
    surplus = size_resized - size_out
    half = surplus // 2
    # As Python's round, which `Preprocessing` uses: half a pixel goes to the even number. Frames are rounded down.
    return xp.where(surplus < 0, -((-surplus) // 2), half + (surplus % 2) * (half % 2))


def _floats(values: Any, xp: Any) -> Any:
    return np.asarray(values, "float64") if xp is np else xp.cast(values, "float32")


def _triangle(distances: Any, xp: Any) -> Any:
    return xp.maximum(1 - distances, 0.0)


def _lanczos(distances: Any, xp: Any) -> Any:
    return xp.where(distances < 3, _sinc(distances, xp) * _sinc(distances / 3, xp), 0.0)


def _hamming(distances: Any, xp: Any) -> Any:
    return xp.where(distances < 1, _sinc(distances, xp) * (0.54 + 0.46 * xp.cos(math.pi * distances)), 0.0)


def _sinc(distances: Any, xp: Any) -> Any:
    is_zero = distances == 0
    angles = math.pi * xp.where(is_zero, 1.0, distances)
    return xp.where(is_zero, 1.0, xp.sin(angles) / angles)


# Not "box" and "nearest": they jump where two pixels meet, and which one counts there hangs on PIL's own rounding.
FILTERS = {"bicubic": keys_cubic, "bilinear": _triangle, "lanczos": _lanczos, "hamming": _hamming}
