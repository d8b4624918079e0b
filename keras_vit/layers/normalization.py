"""The norms that Vision Transformers use, by name."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer, value_of
from keras_vit.layers.recomputation import keeps_everything

NORMS = ("layer_norm", "rms_norm")


@keras.saving.register_keras_serializable(package="keras_vit")
class LayerNormalization(Layer, keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization`, called directly inside a model's call; by PyTorch's kernel where it fits.

    In training on TensorFlow it keeps its inputs and one mean and variance for each; Keras' operation keeps the product
    of variance and `gamma` besides, as large as the inputs.
    """

    casts_weights = False

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        backend, gamma, beta = keras.backend.backend(), self.gamma, self.beta
        if gamma is None or beta is None or self.axis not in (-1, [-1]) or self.rms_scaling:
            return super().call(inputs)
        if backend == "torch":
            import torch

            if inputs.dtype is torch.float32:  # Keras' operation does the same, in ten times as many calls
                weights = value_of(gamma), value_of(beta)
                return torch.nn.functional.layer_norm(inputs, inputs.shape[-1:], *weights, self.epsilon)
        if training and keeps_everything():  # exports stay without it
            return _normalize(inputs, gamma, beta, self.epsilon)
        return super().call(inputs)


@keras.saving.register_keras_serializable(package="keras_vit")
class RMSNormalization(Layer, keras.layers.RMSNormalization):
    """`keras.layers.RMSNormalization`, called directly inside a model's call."""


def _normalize(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """Layer norm of the last axis, with its gradient."""
    dtype = keras.backend.result_type(inputs.dtype, "float32")

    @ops.custom_gradient
    def normalize(inputs: Any, gamma: Any, beta: Any) -> Any:
        wide = ops.cast(inputs, dtype)
        mean = ops.mean(wide, axis=-1, keepdims=True)
        centred = wide - mean
        scale = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + epsilon)

        def gradient(upstream: Any) -> Any:
            upstream = ops.cast(upstream, dtype)
            standardized = (ops.cast(inputs, dtype) - mean) * scale
            products, batch_axes = upstream * standardized, tuple(range(len(inputs.shape) - 1))
            along = ops.matmul(products, gamma[:, None]) / inputs.shape[-1]
            scaled = upstream * gamma
            outer = scale * (scaled - ops.mean(scaled, axis=-1, keepdims=True) - standardized * along)
            return ops.cast(outer, inputs.dtype), ops.sum(products, batch_axes), ops.sum(upstream, batch_axes)

        return ops.cast(centred * scale * gamma + beta, inputs.dtype), gradient

    return normalize(inputs, ops.cast(gamma, dtype), ops.cast(beta, dtype))


def make_norm(kind: str, epsilon: float, *, name: str, dtype: Any) -> keras.layers.Layer:
    """Returns a norm of the last axis: "layer_norm" (mean 0, variance 1) or "rms_norm" (root mean square 1, no offset).

    Args:
        kind: One of `NORMS`, as `require_norm` checks.
        epsilon: Added to the variance or mean square, > 0.
        name: Name of the layer.
        dtype: Its dtype policy.

    Source: Ba et al., 2016, arXiv 1607.06450; Zhang and Sennrich, 2019, arXiv 1910.07467 (rms_norm, as in AIMv2).
    """
    layer = LayerNormalization if kind == "layer_norm" else RMSNormalization
    return layer(epsilon=epsilon, name=name, dtype=dtype)


def require_norm(who: str, kind: str, *, name: str = "norm") -> None:
    """Raises a ValueError where the argument `name` of a layer is no known norm, whether the layer uses it or not."""
    if kind not in NORMS:
        raise ValueError(f"{who} needs {name} to be one of {NORMS}; got {name}={kind!r}.")
