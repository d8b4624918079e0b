"""Dot-product attention: what queries gather from values, by the fastest way that a backend has."""

from typing import Any

import keras
from keras import ops


def gather(
    queries: Any,
    keys: Any,
    values: Any,
    *,
    bias: Any = None,
    dropout: keras.layers.Layer | None = None,
    training: bool | None = None,
) -> Any:
    """Returns the values that each query gathers, (batch, num_queries, num_heads, head_dim).

    Args:
        queries: (batch, num_queries, num_heads, head_dim).
        keys: (batch, num_keys, num_heads, head_dim).
        values: Likewise.
        bias: Added to the logits; of a shape that fits (batch, num_heads, num_queries, num_keys).
        dropout: Applied to the weights.
        training: As in a layer's call.
    """
    if not (training and dropout):  # no fused kernel here drops weights
        if keras.backend.backend() == "torch":
            return _fused(queries, keys, values, bias)
        if use_flash_attention(keras.backend.backend(), platform(), keras.config.is_flash_attention_enabled()):
            return ops.dot_product_attention(queries, keys, values, bias=bias, scale=queries.shape[-1] ** -0.5)
    weights = attention_weights(queries, keys, bias)
    if dropout is not None:
        weights = dropout(weights, training=training)
    mixed = ops.matmul(weights, ops.transpose(values, (0, 2, 1, 3)))
    return ops.transpose(mixed, (0, 2, 1, 3))


def attention_weights(queries: Any, keys: Any, bias: Any = None) -> Any:
    """Returns how much each query takes of each value, (batch, num_heads, num_queries, num_keys), arguments as above.

    The weights of one query sum to one.
    """
    queries, keys = ops.transpose(queries, (0, 2, 1, 3)), ops.transpose(keys, (0, 2, 3, 1))
    logits = ops.matmul(queries * queries.shape[-1] ** -0.5, keys)
    if bias is not None:
        logits = logits + bias
    # Half precision has too few digits to sum hundreds of weights.
    wide = ops.cast(logits, keras.backend.result_type(queries.dtype, "float32"))
    return ops.cast(ops.softmax(wide), queries.dtype)


def use_flash_attention(backend: str, platform: str, is_enabled: bool | None) -> bool:
    """Whether attention goes through `ops.dot_product_attention`, which chooses cuDNN's flash kernel where it can.

    It can for half precision on JAX, from Ampere on. On CPUs the plain products are faster, TensorFlow has no such
    kernel in Keras, and PyTorch's is called directly.

    Args:
        backend: Keras backend.
        platform: What JAX computes on: "cpu", "gpu" or "tpu".
        is_enabled: `keras.config.is_flash_attention_enabled()`: only False forbids it.
    """
    # Not on TPUs: Keras' kernel for those wants numbers of tokens that 128 divides.
    return backend == "jax" and platform == "gpu" and is_enabled is not False


def platform() -> str:
    """Returns what JAX computes on, "cpu", "gpu" or "tpu"; empty under other backends."""
    if keras.backend.backend() != "jax":
        return ""
    import jax

    return jax.default_backend()


def _fused(queries: Any, keys: Any, values: Any, bias: Any) -> Any:
    """Attention by PyTorch's fused kernel, which keeps no (num_queries, num_keys) weights: less memory, and faster.

    `ops.dot_product_attention` calls it too, but copies queries, keys and values first: 5 % of a forward step.
    """
    import torch

    parts = (part.transpose(1, 2) for part in (queries, keys, values))
    return torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=bias).transpose(1, 2)
