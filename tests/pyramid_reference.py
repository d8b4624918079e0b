"""The parts of a pyramid transformer written out in NumPy, place by place, from the papers: expected numbers for tests.

`weights` and `settings` are as in `numpy_reference`.
"""

import math
from typing import Any

import numpy as np

from tests.numpy_reference import ACTIVATIONS, Weights, dense, layer_norm, part, softmax


def convolution(patches: np.ndarray, weights: Weights, stride: int, border: int) -> np.ndarray:
    """One product for each place of the kernel, `stride` apart; `border` zeros lie around the patches."""
    kernel = weights["kernel"]
    size = len(kernel)
    padded = np.pad(patches.astype("float64"), ((0, 0), (border, border), (border, border), (0, 0)))
    starts = [range(0, length - size + 1, stride) for length in padded.shape[1:3]]
    rows = [
        [np.tensordot(padded[:, row : row + size, column : column + size], kernel, axes=3) for column in starts[1]]
        for row in starts[0]
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1) + weights["bias"]


def depthwise(patches: np.ndarray, weights: Weights) -> np.ndarray:
    """A convolution of each channel by itself, with its own part of the kernel."""
    kernel, bias = weights["kernel"], weights["bias"]
    channels = [
        convolution(
            patches[..., index : index + 1], {"kernel": kernel[:, :, index : index + 1], "bias": bias[index]}, 1, 1
        )
        for index in range(patches.shape[-1])
    ]
    return np.concatenate(channels, axis=-1)


def embedding(images: np.ndarray, weights: Weights, patch_size: int, stride: int, epsilon: float) -> np.ndarray:
    return layer_norm(convolution(images, weights, stride, patch_size // 2), part(weights, "norm"), epsilon)


def adaptive_mean(patches: np.ndarray, size: int) -> np.ndarray:
    """Source: `AdaptiveAvgPool2d` in PyTorch's documentation, bin by bin."""

    def bins(length: int) -> list[slice]:
        return [slice(math.floor(a * length / size), math.ceil((a + 1) * length / size)) for a in range(size)]

    rows, columns = patches.shape[1:3]
    means = [[patches[:, row, column].mean(axis=(1, 2)) for column in bins(columns)] for row in bins(rows)]
    return np.stack([np.stack(row, axis=1) for row in means], axis=1)


def reduced(patches: np.ndarray, weights: Weights, **settings: Any) -> np.ndarray:
    """What keys and values are made of."""
    size, epsilon = settings.get("reduction_size", 1), settings.get("reduction_norm_epsilon", 1e-5)
    if settings.get("use_pooling"):
        convolved = convolution(adaptive_mean(patches, 7), part(weights, "reduction"), 1, 0)
        return ACTIVATIONS["gelu"](layer_norm(convolved, part(weights, "reduction_norm"), epsilon))
    if size == 1:
        return patches
    return layer_norm(
        convolution(patches, part(weights, "reduction"), size, 0), part(weights, "reduction_norm"), epsilon
    )


def attention(patches: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """What each patch gathers, and the weights (batch, num_heads, num_queries, num_keys)."""
    batch, dim = len(patches), patches.shape[-1]
    use_bias = settings.get("use_qkv_bias", True)
    queries = dense(patches, part(weights, "query"), use_bias=use_bias).reshape(batch, -1, dim)
    source = reduced(patches, weights, **settings)
    both = dense(source, part(weights, "key_value"), use_bias=use_bias).reshape(batch, -1, 2 * dim)
    keys, values = both[..., :dim], both[..., dim:]
    mixed, scores = np.zeros_like(queries), []
    for channels in np.split(np.arange(dim), num_heads):
        logits = queries[..., channels] @ np.swapaxes(keys[..., channels], 1, 2) / math.sqrt(len(channels))
        scores.append(softmax(logits))
        mixed[..., channels] = scores[-1] @ values[..., channels]
    projected = dense(mixed, part(weights, "projection")).reshape(patches.shape)
    return projected, np.stack(scores, axis=1)


def conv_mlp(patches: np.ndarray, weights: Weights, **settings: Any) -> np.ndarray:
    wide = dense(patches, part(weights, "expand"))
    wide = np.maximum(wide, 0) if settings.get("use_pooling") else wide
    activated = ACTIVATIONS[settings.get("activation", "gelu")](depthwise(wide, part(weights, "depthwise")))
    return dense(activated, part(weights, "contract"))


def encoder(patches: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> np.ndarray:
    epsilon = settings.get("norm_epsilon", 1e-6)
    normed = layer_norm(patches.astype("float64"), part(weights, "attention_norm"), epsilon)
    patches = patches + attention(normed, part(weights, "attention"), num_heads, **settings)[0]
    normed = layer_norm(patches, part(weights, "mlp_norm"), epsilon)
    return patches + conv_mlp(normed, part(weights, "mlp"), **settings)
