"""Windows: a grid of patches cut into rectangles, inside which attention works, and put together again."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Size = tuple[int, int]

# Added to logits of pairs that do not belong together. Finite in half precision, and the number that published weights
# were trained with: where logits are large, it is no full stop.
HIDDEN = -100.0


def partition_windows(patches: Any, window_size: Size) -> Any:
    """Returns (batch, rows, columns, channels) as windows, (batch * num_windows, window_tokens, channels).

    Windows of an image follow one another row by row, top left first, and so do the tokens of a window.

    Args:
        patches: A grid that windows divide; see `pad_to_windows`.
        window_size: Rows and columns of a window.
    """
    (height, width), channels = window_size, patches.shape[-1]
    _, rows, columns, _ = ops.shape(patches)
    cut = ops.reshape(patches, (-1, rows // height, height, columns // width, width, channels))
    return ops.reshape(ops.transpose(cut, (0, 1, 3, 2, 4, 5)), (-1, height * width, channels))


def merge_windows(windows: Any, window_size: Size, grid_size: tuple[Any, Any]) -> Any:
    """Returns windows as the grid that they were cut from, (batch, rows, columns, channels).

    Args:
        windows: (batch * num_windows, window_tokens, channels).
        window_size: Rows and columns of a window.
        grid_size: Rows and columns of the grid, which windows divide.
    """
    (height, width), (rows, columns), channels = window_size, grid_size, windows.shape[-1]
    cut = ops.reshape(windows, (-1, rows // height, columns // width, height, width, channels))
    return ops.reshape(ops.transpose(cut, (0, 1, 3, 2, 4, 5)), (-1, rows, columns, channels))


def pad_to_windows(patches: Any, window_size: Size) -> Any:
    """Returns the grid with zeros at the bottom and right, so that windows divide it."""
    sizes = ops.shape(patches)[1:3]
    bottom, right = (-size % window for size, window in zip(sizes, window_size, strict=True))
    if _is_known(bottom, right) and not bottom and not right:
        return patches
    return ops.pad(patches, ((0, 0), (0, bottom), (0, right), (0, 0)))


def effective_shift(grid_size: tuple[Any, Any], window_size: Size, shift_size: Size) -> tuple[Any, Any]:
    """Returns by how many rows and columns windows are shifted: not at all along an axis that one window covers."""
    triples = zip(grid_size, window_size, shift_size, strict=True)
    down, across = (
        (0 if size <= window else shift) if _is_known(size) else ops.where(size <= window, 0, shift)
        for size, window, shift in triples
    )
    return down, across


def shift_patches(patches: Any, shift: tuple[Any, Any], *, back: bool = False) -> Any:
    """Rolls the grid up and to the left; what leaves it comes in again at the other side. `back` undoes it."""
    if _is_known(*shift) and not any(shift):
        return patches
    if keras.config.backend() != "tensorflow":
        return ops.roll(patches, shift if back else tuple(-size for size in shift), axis=(1, 2))
    for axis, size in enumerate(shift, start=1):
        if not _is_known(size) or size:  # LiteRT takes an empty part for the whole
            patches = _swap_parts(patches, axis, ops.shape(patches)[axis] - size if back else size)
    return patches


def shift_mask(grid_size: tuple[Any, Any], window_size: Size, shift: tuple[Any, Any]) -> Any:
    """Returns what keeps patches apart that only the shift brought into one window.

    Args:
        grid_size: Rows and columns, which windows divide.
        window_size: Rows and columns of a window.
        shift: Of `effective_shift`.

    Returns:
        (num_windows, window_tokens, window_tokens), to be added to logits: 0 where two patches are neighbours, `HIDDEN`
        where they are not; None without a shift.

    Source: Liu et al., 2021, arXiv 2103.14030, figure 4; parts as in timm, which takes a padded grid for the image.
    """
    if not _is_known(*grid_size, *shift):
        return _mask(grid_size, window_size, shift, ops)
    return _static_mask(grid_size, window_size, shift) if any(shift) else None


def _swap_parts(patches: Any, axis: int, place: Any) -> Any:
    """Puts what is before a place behind the rest: a roll, which LiteRT does not have."""
    if _is_known(place, patches.shape[axis]):  # the gradient of a slice would be a padded copy of the whole
        return ops.concatenate(ops.split(patches, [place], axis=axis)[::-1], axis=axis)
    before, behind = (patches[(slice(None),) * axis + (part,)] for part in (slice(place), slice(place, None)))
    return ops.concatenate([behind, before], axis=axis)


@functools.lru_cache(maxsize=64)
def _static_mask(grid_size: Size, window_size: Size, shift: Size) -> NDArray[np.float32]:
    mask: NDArray[np.float32] = _mask(grid_size, window_size, shift, np)
    return mask


def _mask(grid_size: tuple[Any, Any], window_size: Size, shift: tuple[Any, Any], xp: Any) -> Any:
    down, across = (_parts(*sizes, xp) for sizes in zip(grid_size, window_size, shift, strict=True))
    (rows, columns), (height, width) = grid_size, window_size
    parts = xp.reshape(3 * down[:, None] + across[None, :], (rows // height, height, columns // width, width))
    parts = xp.reshape(xp.transpose(parts, (0, 2, 1, 3)), (-1, height * width))
    is_apart = parts[:, :, None] != parts[:, None, :]
    return xp.where(is_apart, xp.full((), HIDDEN, "float32"), xp.zeros((), "float32"))


def _parts(size: Any, window: int, shift: Any, xp: Any) -> Any:
    """Numbers each row (or column) of a shifted grid by where it came from: inside, before or behind the seam."""
    if _is_known(shift) and not shift:
        return xp.zeros((size,), "int32")
    places = xp.arange(size)
    parts = xp.where(places >= size - window, 1, 0) + xp.where(places >= size - shift, 1, 0)
    return xp.where(shift > 0, parts, 0) if not _is_known(shift) else parts


def _is_known(*sizes: Any) -> bool:
    return all(isinstance(size, int | np.integer) for size in sizes)
