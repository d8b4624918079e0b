"""Attention maps: where the tokens of some encoder layers look."""

from typing import Any, TypeAlias

import numpy as np

from keras_vit.visualize.patch_maps import Place, attention_map, share_out
from keras_vit.visualize.reading import (
    Layers,
    choose_layers,
    encoder_layers,
    has_class_token,
    inputs_of,
    num_prefix_tokens,
    read_images,
    read_scores,
)

Heads: TypeAlias = int | str  # a number, "mean" or "all"


def attention_maps(
    model: Any, images: Any, layers: Layers = (-1,), heads: Heads = "mean", *, query: Place | None = None
) -> np.ndarray:
    """Returns where encoder layers look, as maps over the patches.

    A map holds, for each patch, the share of attention that goes there. Its sum is one, less what goes to prefix tokens
    (class, distillation, registers), which are left out. The attention is that of the class token; where there is none,
    the mean of all patches; or that of one patch, the `query`.

    Only the layers asked for are computed again, in full weights instead of fused kernels: image by image, one layer at
    a time, so that memory grows neither with the images nor with the layers.

    Args:
        model: A model of this package.
        images: Model input, (batch, height, width, channels): what `model.preprocessing` returns.
        layers: Numbers of encoder layers through the whole model, from 0, or negative from the last; or "all".
        heads: "mean", the number of a head, or "all".
        query: Row and column of the patch that looks.

    Returns:
        float32 (images, layers, heads, rows, columns); one head for "mean" and numbers. Where layers have different
        grids, all maps are of the finest, and a coarser map's values are shared among the places that they cover.

    Raises:
        ValueError: The model has no attention; a layer, a head or the query is out of range; "all" heads are asked of
            layers that have different numbers of them; or images are of the wrong shape.
    """
    encoders = encoder_layers(model, "attention_maps")
    numbers = choose_layers(layers, len(encoders), "attention_maps")
    chosen = [encoders[number] for number in numbers]
    maps = [
        _on_one_grid(
            [
                _read_map(model, layer, inputs, reading.grid, heads, query)
                for layer, inputs in zip(chosen, reading.values, strict=True)
            ]
        )
        for reading in read_images(model, images, [inputs_of(layer) for layer in chosen], "attention_maps")
    ]
    return np.stack(maps)


def queries_of(model: Any, grid: Place, query: Place | None, who: str) -> slice | Place:
    """Returns which tokens look: the class token, all patches where there is none, or one patch.

    Raises:
        ValueError: The patch is outside of the grid.
    """
    if query is None:
        return slice(0, 1) if has_class_token(model) else slice(num_prefix_tokens(model), None)
    if len(query) != 2 or not all(0 <= place < size for place, size in zip(query, grid, strict=True)):
        raise ValueError(
            f"{who} needs a patch as (row, column) from (0, 0) to ({grid[0] - 1}, {grid[1] - 1}); got {query!r}."
        )
    return (int(query[0]), int(query[1]))


def _read_map(model: Any, layer: Any, inputs: list[Any], grid: Place, heads: Heads, query: Place | None) -> np.ndarray:
    tokens = inputs[0]
    if len(tokens.shape) == 4:
        grid = (int(tokens.shape[1]), int(tokens.shape[2]))
    queries = queries_of(model, grid, query, "attention_maps")
    scores = _choose_heads(read_scores(layer, inputs), heads, layer.name)
    return attention_map(layer, scores, grid, num_prefix_tokens=num_prefix_tokens(model), queries=queries)


def _choose_heads(scores: np.ndarray, heads: Heads, name: str) -> np.ndarray:
    if isinstance(heads, str) and heads in ("mean", "all"):
        return scores.mean(axis=0, keepdims=True) if heads == "mean" else scores
    num_heads = len(scores)
    if not isinstance(heads, int | np.integer) or not -num_heads <= heads < num_heads:
        raise ValueError(
            f"attention_maps needs heads to be 'mean', 'all' or a number from 0 to {num_heads - 1} for {name}; "
            f"got {heads!r}."
        )
    return scores[heads % num_heads][None]


def _on_one_grid(maps: list[np.ndarray]) -> np.ndarray:
    num_heads = [len(each) for each in maps]
    if len(set(num_heads)) > 1:
        raise ValueError(
            f"attention_maps needs layers with the same number of heads for heads='all'; got layers with {num_heads}. "
            "Ask for them one by one, or for heads='mean'."
        )
    rows, columns = (max(each.shape[axis] for each in maps) for axis in (1, 2))
    return np.stack([share_out(each, rows, columns) for each in maps])
