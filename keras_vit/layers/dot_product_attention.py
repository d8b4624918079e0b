"""Dot-product attention: what queries gather from values, by the fastest way that a backend has."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_vit.layers.recomputation import recompute, recomputes

_adjust: contextvars.ContextVar[Callable[[Any], Any] | None] = contextvars.ContextVar("adjust", default=None)


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
    adjust = _adjust.get()
    if not (training and dropout) and adjust is None:  # no fused kernel here drops weights, or shows them
        if keras.backend.backend() == "torch" and not _learns_bias_on_cpu(bias):
            return _fused(queries, keys, values, bias)
        if use_flash_attention(keras.backend.backend(), platform(), keras.config.is_flash_attention_enabled()):
            return ops.dot_product_attention(queries, keys, values, bias=bias, scale=queries.shape[-1] ** -0.5)
        if training and recomputes() and not _are_few(keys):
            inputs = (queries, keys, values) if bias is None else (queries, keys, values, bias)
            return recompute(_plain, *inputs)

    def change(weights: Any) -> Any:
        weights = ops.cast(weights if adjust is None else adjust(weights), queries.dtype)
        return weights if dropout is None else dropout(weights, training=training)

    return _plain(queries, keys, values, bias, change)


def attention_weights(queries: Any, keys: Any, bias: Any = None) -> Any:
    """Returns how much each query takes of each value, (batch, num_heads, num_queries, num_keys), arguments as above.

    The weights of one query sum to one. They are float32 also where queries are half precision.
    """
    queries, keys = ops.transpose(queries, (0, 2, 1, 3)), ops.transpose(keys, (0, 2, 3, 1))
    logits = ops.matmul(queries * queries.shape[-1] ** -0.5, keys)
    if bias is not None:
        logits = logits + bias
    # Half precision has too few digits to sum hundreds of weights.
    wide = ops.cast(logits, keras.backend.result_type(queries.dtype, "float32"))
    return ops.ones_like(wide) if wide.shape[-1] == 1 else ops.softmax(wide)  # Keras warns of one number alone


def _plain(
    queries: Any, keys: Any, values: Any, bias: Any = None, change: Callable[[Any], Any] = lambda weights: weights
) -> Any:
    weights = ops.cast(change(attention_weights(queries, keys, bias)), queries.dtype)
    mixed = ops.matmul(weights, ops.transpose(values, (0, 2, 1, 3)))
    return ops.transpose(mixed, (0, 2, 1, 3))


@contextlib.contextmanager
def adjusted(adjust: Callable[[Any], Any]) -> Iterator[None]:
    """Has `gather` use other weights than its own, without fused kernels, in whatever layer calls it in this context.

    It is how the influence of single weights is found, without an argument that every layer would hand down.

    Args:
        adjust: Takes what `attention_weights` returns, and returns the weights to use.
    """
    token = _adjust.set(adjust)
    try:
        yield
    finally:
        _adjust.reset(token)


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


def _are_few(keys: Any) -> bool:
    """Whether weights of attention are too small for the time that it takes to compute them again.

    Of windows of 7 x 7 patches they are 5 to 7 % of Swin-T's memory in training, and 3 to 9 % of its time.
    """
    _, num_keys, _, head_dim = keys.shape
    return num_keys is not None and num_keys <= 2 * head_dim


def _learns_bias_on_cpu(bias: Any) -> bool:
    """Whether PyTorch's fused kernel would be none: on CPUs it has no gradients of a bias, and what it calls instead
    looks at all weights twice more than is needed.
    """
    return bias is not None and bias.requires_grad and bias.device.type == "cpu"


def _fused(queries: Any, keys: Any, values: Any, bias: Any) -> Any:
    """Attention by PyTorch's fused kernel, which keeps no (num_queries, num_keys) weights: less memory, and faster.

    `ops.dot_product_attention` calls it too, but copies queries, keys and values first: 5 % of a forward step.
    """
    import torch

    parts = (part.transpose(1, 2) for part in (queries, keys, values))
    return torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=bias).transpose(1, 2)
