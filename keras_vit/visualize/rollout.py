"""Attention rollout: how much of each patch reaches the output, by the attention of all layers in a row."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_vit.visualize.attention import queries_of
from keras_vit.visualize.patch_maps import Place
from keras_vit.visualize.reading import encoder_layers, inputs_of, num_prefix_tokens, read_images, read_scores

_FUSIONS: dict[str, Callable[..., Any]] = {"mean": np.mean, "max": np.max, "min": np.min}


def rollout(
    model: Any,
    images: Any,
    head_fusion: str = "mean",
    discard_ratio: float = 0.0,
    *,
    query: Place | None = None,
) -> np.ndarray:
    """Returns how the attention of all layers in a row leads from the output back to the patches.

    The weights of a layer are fused over its heads, averaged with the identity (for the residual branch), normalised so
    that rows sum to one, and multiplied from the last layer to the first. Only the row of the output token is kept, so
    memory holds the weights of one layer at a time, and the tokens of all.

    Args:
        model: A model of this package whose layers all have global attention.
        images: Model input, (batch, height, width, channels).
        head_fusion: How heads become one: "mean", "max" or "min".
        discard_ratio: Share of the smallest weights of each row that are taken for zero, 0 <= ratio < 1.
        query: Row and column of the patch to start from, in place of the class token (or, where there is none, of all
            patches).

    Returns:
        float32 (images, rows, columns). The sum is one, less what leads back to prefix tokens.

    Raises:
        ValueError: The model's attention is not global, an argument is out of range, or images are of the wrong shape.

    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers", 2020, arXiv 2005.00928.
    """
    if head_fusion not in _FUSIONS:
        raise ValueError(f"rollout needs head_fusion to be one of {tuple(_FUSIONS)}; got {head_fusion!r}.")
    if not 0 <= discard_ratio < 1:
        raise ValueError(f"rollout needs 0 <= discard_ratio < 1; got {discard_ratio=}.")
    layers = encoder_layers(model, "rollout")
    first_patch = num_prefix_tokens(model)
    maps = []
    for reading in read_images(model, images, [inputs_of(layer) for layer in layers], "rollout"):
        row = start_row(model, reading.grid, query, "rollout")
        for layer, inputs in zip(reversed(layers), reversed(reading.values), strict=True):
            scores = read_scores(layer, inputs)
            require_global(scores, len(row), layer, "rollout")
            row = row @ flow(_FUSIONS[head_fusion](scores, axis=0), discard_ratio)
        maps.append(row[first_patch:].reshape(reading.grid))
    return np.stack(maps).astype("float32")


def flow(weights: np.ndarray, discard_ratio: float = 0.0) -> np.ndarray:
    """Returns (num_tokens, num_tokens) weights as what one layer passes on, the residual branch included."""
    num_discarded = int(discard_ratio * weights.shape[-1])
    if num_discarded:
        weights = weights.copy()
        smallest = np.argpartition(weights, num_discarded, axis=-1)[:, :num_discarded]
        np.put_along_axis(weights, smallest, 0, axis=-1)
    passed = weights + np.eye(len(weights), dtype=weights.dtype)
    return passed / passed.sum(axis=-1, keepdims=True)


def start_row(model: Any, grid: Place, query: Place | None, who: str) -> np.ndarray:
    """Returns the share that each token has in the output: (num_tokens,), the sum is one."""
    first_patch = num_prefix_tokens(model)
    queries = queries_of(model, grid, query, who)
    if not isinstance(queries, slice):
        number = first_patch + queries[0] * grid[1] + queries[1]
        queries = slice(number, number + 1)
    row = np.zeros(first_patch + grid[0] * grid[1], "float32")
    row[queries] = 1
    return row / row.sum()


def require_global(scores: np.ndarray, num_tokens: int, layer: Any, who: str) -> None:
    """Raises where a layer's attention does not go from all tokens to all tokens."""
    if scores.shape[1:] != (num_tokens, num_tokens):
        raise ValueError(
            f"{who} needs global attention in every layer, on one grid of patches; got {type(layer).__name__} "
            f"{layer.name!r} with windows, fewer keys, or another grid. attention_maps shows such layers one by one."
        )
