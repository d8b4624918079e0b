"""Swin Transformers of both versions in NumPy, window by window and pair by pair: expected numbers for tests.

`weights` as in `tests.numpy_reference`.
"""

import math
from typing import Any

import numpy as np

from tests.numpy_reference import Weights, dense, layer_norm, mlp, part, patches, softmax

EPSILON = 1e-5


def swin(images: np.ndarray, weights: Weights, config: Any, *, is_v2: bool) -> np.ndarray:
    """The logits of a model with mean pooling."""
    grid = layer_norm(patches(images, part(weights, "patch_embedding")), part(weights, "patch_norm"), EPSILON)
    order, index = "post_norm" if is_v2 else "pre_norm", 0
    for stage, depth in enumerate(config.depths):
        if stage:
            grid = merge(grid, part(weights, f"patch_merging_{stage}"), order)
        rows, columns = grid.shape[1:3]
        for place in range(depth):
            height, width = config.window_size[min(stage, len(config.window_size) - 1)]
            window = (min(height, rows), min(width, columns))
            shift = (height // 2 if rows > height else 0, width // 2 if columns > width else 0)
            settings = {"similarity": "cosine" if is_v2 else "dot", "order": order}
            if is_v2:
                settings["pretrained_window_size"] = config.pretrained_window_sizes[stage]
            grid = encoder(
                grid,
                part(weights, f"encoder_{index}"),
                config.num_heads[stage],
                window,
                shift if place % 2 else (0, 0),
                **settings,
            )
            index += 1
    features = layer_norm(grid, part(weights, "norm"), EPSILON).mean(axis=(1, 2))
    return dense(features, part(weights, "head/logits"))


def merge(grid: np.ndarray, weights: Weights, order: str = "pre_norm") -> np.ndarray:
    """Upper left, lower left, upper right, lower right: side by side."""
    grid = np.pad(grid, ((0, 0), (0, grid.shape[1] % 2), (0, grid.shape[2] % 2), (0, 0)))
    squares = np.concatenate([grid[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], axis=-1)
    if order == "pre_norm":
        return layer_norm(squares, part(weights, "norm"), EPSILON) @ weights["reduction/kernel"]
    return layer_norm(squares @ weights["reduction/kernel"], part(weights, "norm"), EPSILON)


def encoder(
    grid: np.ndarray,
    weights: Weights,
    num_heads: int,
    window: tuple[int, int],
    shift: tuple[int, int] = (0, 0),
    *,
    order: str = "pre_norm",
    **settings: Any,
) -> np.ndarray:
    norms = [part(weights, name) for name in ("attention_norm", "mlp_norm")]
    attention, feed_forward = part(weights, "attention"), part(weights, "mlp")
    if order == "pre_norm":
        normed = layer_norm(grid.astype("float64"), norms[0], EPSILON)
        grid = grid + attend(normed, attention, num_heads, window, shift, **settings)[0]
        return grid + mlp(layer_norm(grid, norms[1], EPSILON), feed_forward)
    branch = attend(grid.astype("float64"), attention, num_heads, window, shift, **settings)[0]
    grid = grid + layer_norm(branch, norms[0], EPSILON)
    return grid + layer_norm(mlp(grid, feed_forward), norms[1], EPSILON)


def attend(
    grid: np.ndarray,
    weights: Weights,
    num_heads: int,
    window: tuple[int, int],
    shift: tuple[int, int] = (0, 0),
    **settings: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """What the windows of a grid gather, and the weights (batch, num_heads, num_windows, tokens, tokens)."""
    batch, rows, columns, dim = grid.shape
    (height, width), gathered, scores = window, np.zeros_like(grid), []
    down, across = -(-rows // height), -(-columns // width)
    hidden = seam(window, shift, (down * height, across * width))
    for number in range(down * across):
        top, left = number // across * height, number % across * width
        places = [(top + row, left + column) for row in range(height) for column in range(width)]
        # Where a place of the shifted grid comes from; beyond the grid there are zeros.
        sources = [
            ((row + shift[0]) % rows, (column + shift[1]) % columns) if row < rows and column < columns else None
            for row, column in places
        ]
        tokens = np.stack([grid[:, r, c] if (r, c) != (-1, -1) else np.zeros((batch, dim))
                           for r, c in (source or (-1, -1) for source in sources)], axis=1)  # fmt: skip
        logits, values = logits_of(tokens, weights, num_heads, window, **settings)
        logits = logits + np.array([[hidden(one, other) for other in places] for one in places])
        scores.append(softmax(logits))
        mixed = np.einsum("bhij,bhjd->bihd", scores[-1], values).reshape(batch, len(places), dim)
        projected = dense(mixed, part(weights, "projection"))
        for token, source in enumerate(sources):
            if source is not None:
                gathered[:, source[0], source[1]] = projected[:, token]
    return gathered, np.stack(scores, axis=2)


def seam(window: tuple[int, int], shift: tuple[int, int], size: tuple[int, int]) -> Any:
    """Says of two places what is added to their logit: -100 if only the shift brought them together."""

    def side(place: int, axis: int) -> int:
        before = place < size[axis] - window[axis]
        return 0 if shift[axis] == 0 or before else 1 if place < size[axis] - shift[axis] else 2

    def hidden(one: tuple[int, int], other: tuple[int, int]) -> float:
        return 0.0 if all(side(one[axis], axis) == side(other[axis], axis) for axis in (0, 1)) else -100.0

    return hidden


def logits_of(
    tokens: np.ndarray,
    weights: Weights,
    num_heads: int,
    window: tuple[int, int],
    *,
    similarity: str = "dot",
    pretrained_window_size: int = 0,
    use_qkv_bias: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (batch, num_heads, tokens, tokens) and values (batch, num_heads, tokens, head_dim)."""
    dim = tokens.shape[-1]
    fused = dense(tokens, part(weights, "qkv"), use_bias=use_qkv_bias and similarity == "dot")
    queries, keys, values = fused[..., :dim], fused[..., dim : 2 * dim], fused[..., 2 * dim :]
    if similarity == "cosine" and use_qkv_bias:
        queries, values = queries + weights["query_bias"], values + weights["value_bias"]
    queries, keys, values = (
        each.reshape(*each.shape[:2], num_heads, -1).transpose(0, 2, 1, 3) for each in (queries, keys, values)
    )
    offsets = [(a // window[1] - b // window[1], a % window[1] - b % window[1])
               for a in range(window[0] * window[1]) for b in range(window[0] * window[1])]  # fmt: skip
    if similarity == "dot":
        logits = np.einsum("bhid,bhjd->bhij", queries, keys) / math.sqrt(queries.shape[-1])
        table = weights["position_bias/table"]
        bias = [table[(row + window[0] - 1) * (2 * window[1] - 1) + column + window[1] - 1] for row, column in offsets]
    else:
        # Norms of zeros are taken for 1e-12.
        queries, keys = (each / np.maximum(np.linalg.norm(each, axis=-1, keepdims=True), 1e-12)
                         for each in (queries, keys))  # fmt: skip
        scale = np.exp(np.minimum(weights["log_scale"], math.log(100)))
        logits = np.einsum("bhid,bhjd->bhij", queries, keys) * scale
        network = part(weights, "position_bias")
        bias = [continuous_bias(offset, window, pretrained_window_size, network) for offset in offsets]
    return logits + np.array(bias).T.reshape(num_heads, *2 * (window[0] * window[1],)), values


def continuous_bias(offset: tuple[int, int], window: tuple[int, int], pretrained: int, weights: Weights) -> np.ndarray:
    """Source: Liu et al., 2022, arXiv 2111.09883, equations 3 and 4, and the authors' code (8, base 8, 16 sigmoid)."""
    place = []
    for distance, size in zip(offset, window, strict=True):
        share = 8 * distance / max((pretrained or size) - 1, 1)
        place.append(math.copysign(math.log2(abs(share) + 1) / 3, share))
    hidden = np.maximum(np.array(place) @ weights["hidden_kernel"] + weights["hidden_bias"], 0)
    bias: np.ndarray = 16 / (1 + np.exp(-(hidden @ weights["output_kernel"])))
    return bias
