"""The parts of a Vision Transformer written out in NumPy, in float64, from the papers: expected numbers for tests.

`weights` are arrays by path, such as "attention/qkv/kernel"; `part` takes those below a path.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

Weights = Mapping[str, np.ndarray]

_erf = np.vectorize(math.erf, otypes=["float64"])

ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def weights_of(layer: keras.layers.Layer) -> dict[str, np.ndarray]:
    """The weights of a built layer by their path in it."""
    return {
        weight.path[len(layer.path) + 1 :]: np.array(keras.ops.convert_to_numpy(weight.value), "float64")
        for weight in layer.weights
    }


def part(weights: Weights, path: str) -> dict[str, np.ndarray]:
    return {name[len(path) + 1 :]: array for name, array in weights.items() if name.startswith(f"{path}/")}


def dense(tokens: np.ndarray, weights: Weights) -> np.ndarray:
    return tokens @ weights["kernel"] + weights.get("bias", 0)


def layer_norm(tokens: np.ndarray, weights: Weights, epsilon: float) -> np.ndarray:
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * weights["gamma"] + weights["beta"]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def heads(tokens: np.ndarray, weights: Weights, num_heads: int, epsilon: float) -> list[tuple[np.ndarray, ...]]:
    """(queries, keys, values) of each head; the fused channels are all queries, then all keys, then all values."""
    dim, head_dim = tokens.shape[-1], tokens.shape[-1] // num_heads
    fused = dense(tokens, part(weights, "qkv"))
    split = []
    for head in range(num_heads):
        first = head * head_dim
        q, k, v = (fused[..., start + first : start + first + head_dim] for start in (0, dim, 2 * dim))
        if "query_norm/gamma" in weights:
            q = layer_norm(q, part(weights, "query_norm"), epsilon)
            k = layer_norm(k, part(weights, "key_norm"), epsilon)
        split.append((q, k, v))
    return split


def attention_scores(tokens: np.ndarray, weights: Weights, num_heads: int, epsilon: float = 1e-6) -> np.ndarray:
    scores = [
        softmax(q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1]))
        for q, k, _ in heads(tokens, weights, num_heads, epsilon)
    ]
    return np.stack(scores, axis=1)


def attention(tokens: np.ndarray, weights: Weights, num_heads: int, epsilon: float = 1e-6) -> np.ndarray:
    scores = attention_scores(tokens, weights, num_heads, epsilon)
    values = [v for _, _, v in heads(tokens, weights, num_heads, epsilon)]
    mixed = np.concatenate([scores[:, head] @ values[head] for head in range(num_heads)], axis=-1)
    return dense(mixed, part(weights, "projection"))


def mlp(tokens: np.ndarray, weights: Weights, activation: str = "gelu") -> np.ndarray:
    return dense(ACTIVATIONS[activation](dense(tokens, part(weights, "expand"))), part(weights, "contract"))


def swiglu(tokens: np.ndarray, weights: Weights) -> np.ndarray:
    gates, values = np.split(dense(tokens, part(weights, "expand")), 2, axis=-1)
    return dense(ACTIVATIONS["silu"](gates) * values, part(weights, "contract"))


def encoder(tokens: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> np.ndarray:
    epsilon = settings.get("norm_epsilon", 1e-6)
    scale = {name: weights.get(f"{name}_scale/factors", 1.0) for name in ("attention", "mlp")}
    normed = layer_norm(tokens, part(weights, "attention_norm"), epsilon)
    tokens = tokens + scale["attention"] * attention(normed, part(weights, "attention"), num_heads, epsilon)
    normed = layer_norm(tokens, part(weights, "mlp_norm"), epsilon)
    if settings.get("mlp") == "swiglu":
        return tokens + scale["mlp"] * swiglu(normed, part(weights, "mlp"))
    return tokens + scale["mlp"] * mlp(normed, part(weights, "mlp"), settings.get("activation", "gelu"))


def attention_pooling(tokens: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> np.ndarray:
    head_dim = tokens.shape[-1] // num_heads
    query = dense(weights["latent"], part(weights, "query"))[0]
    keys, values = np.split(dense(tokens, part(weights, "key_value")), 2, axis=-1)
    pooled = np.zeros((len(tokens), tokens.shape[-1]))
    for head in range(num_heads):
        channels = slice(head * head_dim, (head + 1) * head_dim)
        scores = softmax(keys[..., channels] @ query[channels] / math.sqrt(head_dim))
        pooled[:, channels] = np.einsum("bn,bnd->bd", scores, values[..., channels])
    pooled = dense(pooled, part(weights, "projection"))
    normed = layer_norm(pooled, part(weights, "norm"), settings.get("norm_epsilon", 1e-6))
    return pooled + mlp(normed, part(weights, "mlp"), settings.get("activation", "gelu"))


def patches(images: np.ndarray, weights: Weights) -> np.ndarray:
    """One product per patch: pixels in the order row, column, channel."""
    height, width = weights["kernel"].shape[:2]
    matrix = weights["kernel"].reshape(-1, weights["kernel"].shape[-1])
    rows, columns = images.shape[1] // height, images.shape[2] // width
    grid = np.zeros((len(images), rows, columns, matrix.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            patch = images[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
            grid[:, row, column] = patch.reshape(len(images), -1) @ matrix + weights["bias"]
    return grid


def pad(images: np.ndarray, patch_size: tuple[int, int]) -> np.ndarray:
    """Zeros at the bottom and right, up to whole patches."""
    bottom, right = (-size % patch for size, patch in zip(images.shape[1:3], patch_size, strict=True))
    return np.pad(images, ((0, 0), (0, bottom), (0, right), (0, 0)))


def sines_and_cosines(rows: int, columns: int, width: int) -> np.ndarray:
    """Source: big_vision, `models/vit.py`, `posemb_sincos_2d` (Beyer et al., 2022)."""
    y, x = np.mgrid[:rows, :columns]
    omega = 1.0 / (10_000.0 ** (np.arange(width // 4) / (width // 4 - 1)))
    y, x = np.einsum("m,d->md", y.flatten(), omega), np.einsum("m,d->md", x.flatten(), omega)
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1)


def head(tokens: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    patch_tokens = tokens[:, config.num_prefix_tokens :]
    if config.pooling == "token":
        features = tokens[:, 0]
    elif config.pooling == "mean":
        features = patch_tokens.mean(axis=1)
    elif config.pooling == "max":
        features = patch_tokens.max(axis=1)
    elif config.pooling == "attention":
        settings = {"activation": config.activation, "norm_epsilon": config.norm_epsilon}
        features = attention_pooling(patch_tokens, part(weights, "pool"), config.num_heads, **settings)
    else:
        features = tokens
    if config.use_head_norm:
        features = layer_norm(features, part(weights, "norm"), config.norm_epsilon)
    if config.pre_logits_dim:
        features = np.tanh(dense(features, part(weights, "pre_logits")))
    return dense(features, part(weights, "logits")) if config.num_classes else features


def vit(images: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    """A whole model, for images whose grid is that of the position table."""
    images = pad(images, config.patch_size) if config.pad else images
    grid = patches(images, part(weights, "patch_embedding"))
    tokens = (grid + weights.get("positional_encoding/table", 0)).reshape(len(images), -1, config.embed_dim)
    prefix = [weights[f"prefix_tokens/{name}"] for name in ("class_token", "register_tokens") if _has(weights, name)]
    for rows in reversed(prefix):
        tokens = np.concatenate([np.broadcast_to(rows, (len(images), *rows.shape)), tokens], axis=1)
    settings = {"mlp": config.mlp, "activation": config.activation, "norm_epsilon": config.norm_epsilon}
    for index in range(config.depth):
        tokens = encoder(tokens, part(weights, f"encoder_{index}"), config.num_heads, **settings)
    if not config.use_head_norm:
        tokens = layer_norm(tokens, part(weights, "norm"), config.norm_epsilon)
    return head(tokens, part(weights, "head"), config)


def _has(weights: Weights, name: str) -> bool:
    return f"prefix_tokens/{name}" in weights
