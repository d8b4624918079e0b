"""Transformers with rotary positions written out in NumPy, in float64, from the papers; as `numpy_reference` does."""

import math
from typing import Any

import numpy as np

from tests import numpy_reference
from tests.numpy_reference import Weights, dense, norm, part, softmax


def turned(vector: np.ndarray, angles: np.ndarray, pairing: str) -> np.ndarray:
    """Each pair of channels as a complex number, times exp(i angle): Su et al., 2021, arXiv 2104.09864, equation 12."""
    count = len(vector) // 2
    pairs = [(2 * i, 2 * i + 1) if pairing == "neighbours" else (i, i + count) for i in range(count)]
    found = np.zeros_like(vector)
    for (first, second), angle in zip(pairs, angles, strict=True):
        product = complex(vector[first], vector[second]) * complex(math.cos(angle), math.sin(angle))
        found[first], found[second] = product.real, product.imag
    return found


def axial_angles(row: float, column: float, head_dim: int, temperature: float, *, column_first: bool) -> np.ndarray:
    """Half of the angles of each axis, at falling frequencies."""
    count = head_dim // 4
    frequencies = [temperature ** (-i / count) for i in range(count)]
    order = (column, row) if column_first else (row, column)
    return np.array([place * frequency for place in order for frequency in frequencies])


def patch_angles(config: Any, rows: int, columns: int, frequencies: np.ndarray | None) -> np.ndarray:
    """(depth, num_heads, num_patches, head_dim // 2).

    Source: "patches" Fang et al., 2023, arXiv 2303.11331 and its code; "centred" Siméoni et al., 2025,
        arXiv 2508.10104; "learned" Heo et al., 2024, arXiv 2403.13298.
    """
    found = np.zeros((config.depth, config.num_heads, rows * columns, config.head_dim // 2))
    settings = {"temperature": config.rotary_temperature, "column_first": config.rotary_column_first}
    for row in range(rows):
        for column in range(columns):
            index = row * columns + column
            if config.rotary == "learned":
                first, second = (column, row) if config.rotary_column_first else (row, column)
                found[:, :, index] = first * frequencies[0] + second * frequencies[1]
                continue
            places = [row + config.rotary_offset, column + config.rotary_offset]
            if config.rotary == "centred":
                sizes = zip(places, (rows, columns), strict=True)
                places = [2 * math.pi * (2 * (place + 0.5) / size - 1) for place, size in sizes]
            elif config.rotary_grid is not None:
                places = [places[0] * config.rotary_grid[0] / rows, places[1] * config.rotary_grid[1] / columns]
            found[:, :, index] = axial_angles(*places, config.head_dim, **settings)
    return found


def attention_scores(tokens: np.ndarray, weights: Weights, angles: np.ndarray | None, **settings: Any) -> np.ndarray:
    return np.stack([scores for scores, _ in _heads(tokens, weights, angles, **settings)], axis=1)


def attention(tokens: np.ndarray, weights: Weights, angles: np.ndarray | None, **settings: Any) -> np.ndarray:
    mixed = [scores @ values for scores, values in _heads(tokens, weights, angles, **settings)]
    joined = np.concatenate(mixed, axis=-1)
    if settings.get("use_sub_norm"):
        joined = norm(joined, part(weights, "sub_norm"), **settings)
    return dense(joined, part(weights, "projection"))


def _heads(
    tokens: np.ndarray, weights: Weights, angles: np.ndarray | None, **settings: Any
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Attention weights and values of each head; the angles are (num_heads, num_tokens, head_dim // 2)."""
    num_heads = settings["num_heads"]
    own = settings.get("num_key_value_heads") or num_heads
    head_dim = tokens.shape[-1] // num_heads
    use_bias, use_key_bias = settings.get("use_qkv_bias", True), settings.get("use_key_bias", True)
    if own == num_heads:
        fused = dense(tokens, part(weights, "qkv"), use_bias=use_key_bias)
        queries, keys, values = np.split(fused, 3, axis=-1)
    else:
        queries = dense(tokens, part(weights, "query"), use_bias=use_key_bias)
        keys, values = np.split(dense(tokens, part(weights, "key_value"), use_bias=use_key_bias), 2, axis=-1)
    if use_bias and not use_key_bias:
        queries, values = queries + weights["query_bias"], values + weights["value_bias"]
    found = []
    for head in range(num_heads):
        group = head // (num_heads // own)
        q = queries[..., head * head_dim : (head + 1) * head_dim]
        k, v = (each[..., group * head_dim : (group + 1) * head_dim] for each in (keys, values))
        if settings.get("use_qk_norm"):
            q, k = (norm(each, part(weights, f"{name}_norm"), **settings) for each, name in ((q, "query"), (k, "key")))
        if angles is not None:
            q, k = (_turn_all(each, angles[head], settings["pairing"]) for each in (q, k))
        found.append((softmax(q @ np.swapaxes(k, -1, -2) / math.sqrt(head_dim)), v))
    return found


def _turn_all(vectors: np.ndarray, angles: np.ndarray, pairing: str) -> np.ndarray:
    turn = [[turned(vector, own, pairing) for vector, own in zip(image, angles, strict=True)] for image in vectors]
    return np.array(turn)


def encoder(tokens: np.ndarray, weights: Weights, angles: np.ndarray | None, **settings: Any) -> np.ndarray:
    def attend(tokens: np.ndarray) -> np.ndarray:
        own = {**settings, "use_sub_norm": settings.get("use_attention_sub_norm")}
        return attention(tokens, part(weights, "attention"), angles, **own)

    def feed_forward(tokens: np.ndarray) -> np.ndarray:
        kind = numpy_reference.swiglu if settings.get("mlp") == "swiglu" else numpy_reference.mlp
        sub_norm = settings.get("norm", "layer_norm") if settings.get("use_mlp_sub_norm") else None
        return kind(tokens, part(weights, "mlp"), sub_norm=sub_norm, norm_epsilon=settings.get("norm_epsilon", 1e-6))

    def normed(name: str, tokens: np.ndarray) -> np.ndarray:
        return norm(tokens, part(weights, f"{name}_norm"), **settings)

    if settings.get("order") == "post_norm":
        tokens = tokens + normed("attention", attend(tokens))
        return tokens + normed("mlp", feed_forward(tokens))
    has_scale = settings.get("layer_scale_init") is not None
    scale = weights["attention_scale/factors"] if has_scale else 1.0
    mlp_scale = weights["mlp_scale/factors"] if has_scale and settings.get("use_mlp_scale", True) else 1.0
    tokens = tokens + scale * attend(normed("attention", tokens))
    return tokens + mlp_scale * feed_forward(normed("mlp", tokens))


def eva(images: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    """A whole model, for images whose grid is that of the position table."""
    settings = config.to_dict()
    grid = numpy_reference.patches(images, part(weights, "patch_embedding"), use_bias=not config.use_embedding_norm)
    if config.positional_encoding != "none":
        grid = grid + weights["positional_encoding/table"]
    prefix = [weights["prefix_tokens/class_token"]] if config.use_class_token else []
    prefix += [weights["prefix_tokens/register_tokens"]] if config.num_register_tokens else []
    rows = [np.broadcast_to(each, (len(images), *each.shape)) for each in prefix]
    tokens = np.concatenate([*rows, grid.reshape(len(images), -1, config.embed_dim)], axis=1)
    if config.use_embedding_norm:
        tokens = norm(tokens, part(weights, "embedding_norm"), **settings)
    angles = None
    if config.rotary != "none":
        angles = patch_angles(config, *grid.shape[1:3], weights.get("rotary_positions/frequencies"))
        angles = np.pad(angles, ((0, 0), (0, 0), (config.num_prefix_tokens, 0), (0, 0)))  # prefix tokens are not turned
    for index in range(config.depth):
        own = {**settings, "pairing": "halves" if config.rotary == "centred" else "neighbours"}
        own["num_key_value_heads"] = config.num_key_value_heads and config.num_key_value_heads[index]
        layer_angles = None if angles is None else angles[index]
        tokens = encoder(tokens, part(weights, f"encoder_{index}"), layer_angles, **own)
    if config.use_final_norm and not config.use_head_norm:
        tokens = norm(tokens, part(weights, "norm"), **settings)
    return _head(tokens, part(weights, "head"), config)


def _head(tokens: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    patch_tokens = tokens[:, config.num_prefix_tokens :]
    settings = {"norm": config.norm, "norm_epsilon": config.norm_epsilon}
    if config.pooling == "attention":
        num_heads = config.pooling_num_heads or config.num_heads
        pooled = numpy_reference.attention_pooling(tokens, part(weights, "pool"), num_heads, **settings)
    else:
        pooled = {
            "token": lambda: tokens[:, 0],
            "mean": lambda: patch_tokens.mean(axis=1),
            "max": lambda: patch_tokens.max(axis=1),
            "none": lambda: tokens,
        }[config.pooling]()
    pooled = norm(pooled, part(weights, "norm"), **settings) if config.use_head_norm else pooled
    return dense(pooled, part(weights, "logits")) if config.num_classes else pooled
