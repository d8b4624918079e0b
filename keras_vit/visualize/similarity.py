"""Similarity: which patches are alike in what the model makes of them."""

from typing import Any

import numpy as np
from keras import ops

from keras_vit.visualize.attention import queries_of
from keras_vit.visualize.patch_maps import Place
from keras_vit.visualize.reading import choose_layers, encoder_layers, num_prefix_tokens, read_images


def patch_similarity(model: Any, images: Any, patch: Place, layer: int = -1) -> np.ndarray:
    """Returns how alike all patches are to one, as the cosine between their tokens behind an encoder layer.

    Args:
        model: A model of this package.
        images: Model input, (batch, height, width, channels).
        patch: Row and column of the patch, on the grid of that layer.
        layer: Number of the encoder layer through the whole model, from 0, or negative from the last.

    Returns:
        float32 (images, rows, columns), from -1 to 1; 1 at the patch itself.

    Raises:
        ValueError: The layer or the patch is out of range, or images are of the wrong shape.
    """
    layers = encoder_layers(model, "patch_similarity")
    (number,) = choose_layers(layer, len(layers), "patch_similarity")
    maps = []
    for reading in read_images(model, images, [layers[number].output], "patch_similarity"):
        tokens = np.asarray(ops.convert_to_numpy(ops.cast(reading.values[0], "float32")))[0]
        grid = reading.grid if tokens.ndim == 2 else (tokens.shape[0], tokens.shape[1])
        queries_of(model, grid, patch, "patch_similarity")
        patches = tokens[num_prefix_tokens(model) :] if tokens.ndim == 2 else tokens
        unit = normalise(patches.reshape(*grid, -1))
        maps.append(unit @ unit[patch[0], patch[1]])
    return np.stack(maps)


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors (..., channels) of length one; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo("float32").tiny)
