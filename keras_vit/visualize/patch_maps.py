"""Attention weights as maps over the patches: whose attention, and where in the image it goes."""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_vit.layers.windows import effective_shift, pad_to_windows, partition_windows, shift_patches

Place = tuple[int, int]  # row and column of a patch


def attention_map(
    layer: Any, scores: np.ndarray, grid: Place, *, num_prefix_tokens: int, queries: slice | Place
) -> np.ndarray:
    """Returns where queries look: their mean attention to each patch, (num_heads, rows, columns).

    The sum over all patches is the share that does not go to prefix tokens, or to what pads windows. Where a layer has
    keys on a coarser grid (spatial reduction), the map is of that grid.

    Args:
        layer: The layer; one with windows tells `window_size` and `shift_size`.
        scores: Its weights for one image: (num_heads, num_queries, num_keys), or, within windows,
            (num_heads, num_windows, window_tokens, window_tokens).
        grid: Rows and columns of patches that the queries belong to.
        num_prefix_tokens: How many tokens stand in front of the patches.
        queries: Which tokens look: some of the sequence, or one patch.
    """
    if scores.ndim == 4:
        return _window_map(scores, window_places(grid, layer.window_size, layer.shift_size), grid, queries)
    if not isinstance(queries, slice):
        number = num_prefix_tokens + queries[0] * grid[1] + queries[1]
        queries = slice(number, number + 1)
    weights = scores[:, queries].mean(axis=1)[:, num_prefix_tokens:]
    return weights.reshape(-1, *_key_grid(weights.shape[1], grid))


def window_places(grid: Place, window_size: Place, shift_size: Place) -> np.ndarray:
    """Returns which patch, counted row by row, each place of each window holds; -1 where it is padding.

    Returns:
        (num_windows, window_tokens).
    """
    numbers = ops.reshape(ops.arange(1, grid[0] * grid[1] + 1, dtype="int32"), (1, *grid, 1))
    moved = shift_patches(numbers, effective_shift(grid, window_size, shift_size))
    windows = partition_windows(pad_to_windows(moved, window_size), window_size)
    return np.asarray(ops.convert_to_numpy(windows))[..., 0] - 1


def share_out(maps: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns maps (..., rows, columns) on a finer grid: each value is shared among the places it covers."""
    for axis, size in ((-2, rows), (-1, columns)):
        sources = np.arange(size) * maps.shape[axis] // size
        shares = 1 / np.bincount(sources)[sources]
        maps = np.take(maps, sources, axis=axis) * (shares[:, None] if axis == -2 else shares)
    return maps.astype("float32")


def _window_map(scores: np.ndarray, places: np.ndarray, grid: Place, queries: slice | Place) -> np.ndarray:
    looks = places >= 0 if isinstance(queries, slice) else places == queries[0] * grid[1] + queries[1]
    received = np.einsum("hwqk,wq->hwk", scores, looks / looks.sum())
    maps = np.zeros((len(scores), grid[0] * grid[1]), "float32")
    is_patch = places >= 0
    maps[:, places[is_patch]] = received[:, is_patch]
    return maps.reshape(-1, *grid)


def _key_grid(num_keys: int, grid: Place) -> Place:
    """Returns the rows and columns of keys: those of the queries, reduced alike; else a square."""
    reduced = ((grid[0] // size, grid[1] // size) for size in range(1, min(grid) + 1))
    side = math.isqrt(num_keys)  # pooled to a fixed number of places, as in PVT v2's linear variant
    return next((each for each in reduced if each[0] * each[1] == num_keys), (side, num_keys // side))
