"""What weights show by themselves, without an image: positions and patch filters."""

from typing import Any

import numpy as np
from keras import ops

from keras_vit.layers import PatchEmbedding, PositionalEncoding
from keras_vit.visualize.similarity import normalise


def position_similarity(model: Any) -> np.ndarray:
    """Returns how alike the positions of patches are: the cosine between each two vectors of the table.

    Args:
        model: A model of this package with a table of positions.

    Returns:
        float32 (rows, columns, rows, columns), from -1 to 1: [row, column] is the map of one position.

    Raises:
        ValueError: The model has no such table.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv 2010.11929, figure 7.
    """
    layer = _find(model, PositionalEncoding)
    if layer is None or layer.kind == "none":
        raise ValueError(
            f"position_similarity needs a model with a table of positions, such as keras_vit.ViT; got "
            f"{type(model).__name__} {getattr(model, 'name', '')!r} without one."
        )
    table = normalise(_to_numpy(layer.table))
    return np.einsum("ijd,abd->ijab", table, table)


def patch_filters(model: Any, num_filters: int | None = None) -> np.ndarray:
    """Returns what the patch embedding mainly looks at: the first principal components of its filters.

    Args:
        model: A model of this package that cuts images into patches itself.
        num_filters: How many, from 1 to the number of filters or of values in a patch, whichever is smaller; None
            takes 28, or as many as there are.

    Returns:
        float32 (num_filters, height, width, channels), each of length one, most important first. The sign, which
        principal components leave open, is such that the largest value is positive.

    Raises:
        ValueError: The model has no patch embedding, or `num_filters` is out of range.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv 2010.11929, figure 7.
    """
    layer = _find(model, PatchEmbedding)
    if layer is None:
        raise ValueError(
            f"patch_filters needs a model with a PatchEmbedding, such as keras_vit.ViT; got {type(model).__name__} "
            f"{getattr(model, 'name', '')!r} without one."
        )
    kernel = _to_numpy(layer.kernel)
    filters = kernel.reshape(-1, kernel.shape[-1]).T  # (embed_dim, values in a patch)
    limit = min(filters.shape)
    num_filters = min(28, limit) if num_filters is None else num_filters
    if not isinstance(num_filters, int | np.integer) or not 1 <= num_filters <= limit:
        raise ValueError(f"patch_filters needs num_filters from 1 to {limit} for this model; got {num_filters!r}.")
    _, _, components = np.linalg.svd(filters - filters.mean(axis=0), full_matrices=False)
    components = components[:num_filters]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return (components * np.where(largest < 0, -1, 1)).reshape(num_filters, *kernel.shape[:-1])


def _find(model: Any, kind: type) -> Any:
    return next((layer for layer in getattr(model, "layers", []) if isinstance(layer, kind)), None)


def _to_numpy(variable: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(variable.value), "float32")
