"""The norms that Vision Transformers use, by name."""

from typing import Any

import keras

from keras_vit.layers.layer import Layer, value_of

NORMS = ("layer_norm", "rms_norm")


@keras.saving.register_keras_serializable(package="keras_vit")
class LayerNormalization(Layer, keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization`, called directly inside a model's call; by PyTorch's kernel where it fits."""

    casts_weights = False

    def call(self, inputs: Any) -> Any:
        if keras.backend.backend() != "torch":
            return super().call(inputs)
        import torch

        gamma, beta = self.gamma, self.beta
        if inputs.dtype is not torch.float32 or self.axis not in (-1, [-1]) or self.rms_scaling or gamma is None:
            return super().call(inputs)
        # Keras' operation does the same, in ten times as many calls.
        beta = beta if beta is None else value_of(beta)
        return torch.nn.functional.layer_norm(inputs, inputs.shape[-1:], value_of(gamma), beta, self.epsilon)


@keras.saving.register_keras_serializable(package="keras_vit")
class RMSNormalization(Layer, keras.layers.RMSNormalization):
    """`keras.layers.RMSNormalization`, called directly inside a model's call."""


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
