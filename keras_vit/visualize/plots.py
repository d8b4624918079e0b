"""Plots: overlays side by side, similarity of positions and patch filters, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit.pictures import new_figure, save_figure
from keras_vit.visualize.learned import patch_filters, position_similarity
from keras_vit.visualize.overlays import colour, overlay

_LINE_COLOUR = (0.80, 0.87, 0.95)  # neither grey nor of the overlays' colours
_TILE_SIZE = 48  # pixels of the shorter side, at least


def plot_overlays(
    images: Sequence[Any],
    maps: np.ndarray,
    path: str | Path,
    *,
    titles: Sequence[str] = (),
    heading: str = "",
    columns: int = 6,
    interpolation: str = "bicubic",
) -> None:
    """Draws images, and beside each one its maps, into a PNG file; below a map stand its lowest and highest value.

    Args:
        images: The pixels that the model saw, each as `overlay` takes them.
        maps: (num_images, num_maps, rows, columns).
        path: The PNG file.
        titles: One for each map of an image; none at all leaves them out.
        heading: Above all.
        columns: Maps in a row, > 0; an image with more of them takes several rows.
        interpolation: As in `overlay`.

    Raises:
        ValueError: `maps` has other axes, or the numbers of images, maps and titles do not fit.
        ImportError: matplotlib is not installed.
    """
    maps = np.asarray(maps, "float32")
    if maps.ndim != 4 or len(maps) != len(images) or (titles and len(titles) != maps.shape[1]):
        raise ValueError(
            "plot_overlays needs maps (num_images, num_maps, rows, columns), and a title for each of num_maps or none; "
            f"got shape {maps.shape} for {len(images)} images and {len(titles)} titles."
        )
    columns = max(1, min(columns, maps.shape[1]))
    rows = -(-maps.shape[1] // columns)
    figure = new_figure(1.6 * (columns + 1) + 0.2, 1.95 * rows * len(images) + 0.4)
    if heading:
        figure.suptitle(heading, fontsize=10)
    all_axes = figure.subplots(rows * len(images), columns + 1, squeeze=False)
    for axes in all_axes.flatten():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for index, image in enumerate(images):
        own_axes = all_axes[index * rows : (index + 1) * rows]
        own_axes[0, 0].imshow(overlay(image, maps[index, 0], opacity=0))
        for number, (axes, patch_map) in enumerate(zip(own_axes[:, 1:].flatten(), maps[index], strict=False)):
            axes.imshow(overlay(image, patch_map, interpolation=interpolation))
            axes.set_xlabel(f"{patch_map.min():.2g} to {patch_map.max():.2g}", fontsize=7)
            if titles:
                axes.set_title(titles[number], fontsize=8)
    save_figure(figure, path)


def plot_position_similarity(model: Any, path: str | Path) -> None:
    """Draws how alike positions are into a PNG file: at each place of the grid, the map of that position.

    Args:
        model: As in `position_similarity`.
        path: The PNG file.

    Raises:
        ValueError: The model has no table of positions.
        ImportError: matplotlib is not installed.
    """
    maps = position_similarity(model)
    rows, columns = maps.shape[:2]
    lowest = float(maps.min())
    figure = new_figure(5.2, 5.2 * rows / columns + 0.4)
    axes = figure.subplots()
    scaled = (maps - lowest) / max(1 - lowest, 1e-6)
    axes.imshow(_mosaic(colour(np.clip(scaled, 0, 1)) / 255))
    axes.set_title(f"similarity of positions: {rows} x {columns} maps, {lowest:.2f} (dark) to 1 (bright)", fontsize=9)
    axes.set_axis_off()
    save_figure(figure, path)


def plot_patch_filters(model: Any, path: str | Path, num_filters: int | None = None) -> None:
    """Draws the first principal components of the patch embedding's filters into a PNG file; grey is zero.

    Args:
        model: As in `patch_filters`; images of other than 1 or 3 channels are drawn as the mean of all.
        path: The PNG file.
        num_filters: As there.

    Raises:
        ValueError: The model has no patch embedding, or `num_filters` is out of range.
        ImportError: matplotlib is not installed.
    """
    filters = patch_filters(model, num_filters)
    if filters.shape[-1] != 3:
        filters = np.repeat(filters.mean(axis=-1, keepdims=True), 3, axis=-1)
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    tiles = 0.5 + filters / (2 * np.where(largest > 0, largest, 1))
    columns = min(7, len(tiles))
    rows = -(-len(tiles) // columns)
    blank = np.full((rows * columns - len(tiles), *tiles.shape[1:]), _LINE_COLOUR)
    figure = new_figure(0.9 * columns + 0.4, 0.9 * rows + 0.4)
    axes = figure.subplots()
    tiles = np.concatenate([tiles, blank]).reshape(rows, columns, *tiles.shape[1:])
    axes.imshow(_mosaic(tiles))
    axes.set_title(f"first {len(filters)} components of the patch filters", fontsize=9)
    axes.set_axis_off()
    save_figure(figure, path)


def _mosaic(tiles: np.ndarray) -> np.ndarray:
    """Lays tiles (rows, columns, height, width, 3) out as one picture, with lines of another colour around them."""
    # So many pixels that lines stay thin beside tiles of few pixels, and alike where the picture is drawn smaller.
    times = -(-_TILE_SIZE // min(tiles.shape[2:4]))
    tiles = tiles.repeat(times, axis=2).repeat(times, axis=3)
    rows, columns, height, width, _ = tiles.shape
    gap = min(height, width) // 12
    framed = np.full((rows, columns, height + gap, width + gap, 3), _LINE_COLOUR)
    framed[:, :, gap:, gap:] = tiles
    picture = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), _LINE_COLOUR)
    picture[:-gap, :-gap] = framed.transpose(0, 2, 1, 3, 4).reshape(rows * (height + gap), columns * (width + gap), 3)
    return picture
