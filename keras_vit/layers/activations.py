"""The activation functions that Vision Transformers use, by name."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def get_activation(name: str) -> Callable[[Any], Any]:
    """Returns the function called `name`; a ValueError lists the known names."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation needs to be one of {sorted(ACTIVATIONS)}; got activation={name!r}.")
    return ACTIVATIONS[name]


def activate(activation: Callable[[Any], Any], features: Any, training: bool | None = None) -> Any:
    """Returns activated features, which nothing else reads, with as little memory as each backend can.

    Where PyTorch needs no gradients, features are overwritten: hidden maps of pyramids have tens of megabytes, which
    the system would hand out page by page once more. In training on TensorFlow, exact GELU keeps nothing but features.
    """
    if activation is not _gelu:
        return activation(features)
    if keras.config.backend() == "torch":
        import torch

        if not torch.is_grad_enabled():
            return torch.ops.aten.gelu_(features)
    if training and keras.config.backend() == "tensorflow":  # exports stay without it
        return _gelu_with_gradient(features)
    return activation(features)


def _gelu(features: Any) -> Any:
    if keras.config.backend() == "torch":
        return ops.gelu(features, approximate=False)  # one fused kernel
    # Keras takes erfc here: slower (2.6 times in a forward step on JAX), and unknown to tf2onnx. With erf, half
    # precision would lose the digits of 1 + erf.
    wide = _widen(features)
    return ops.cast(0.5 * wide * (1.0 + ops.erf(wide * math.sqrt(0.5))), features.dtype)


@ops.custom_gradient
def _gelu_with_gradient(features: Any) -> Any:
    """GELU that keeps its features; TensorFlow would keep the results of four of its operations besides.

    Its derivative is the normal distribution's cumulative function, plus features times its density.
    """

    def gradient(upstream: Any) -> Any:
        wide = _widen(features)
        cumulative = 0.5 + 0.5 * ops.erf(wide * math.sqrt(0.5))
        density = ops.exp(-0.5 * ops.square(wide)) * (1 / math.sqrt(2 * math.pi))
        return ops.cast(_widen(upstream) * (cumulative + wide * density), features.dtype)

    return _gelu(features), gradient


def _widen(values: Any) -> Any:
    return ops.cast(values, keras.backend.result_type(values.dtype, "float32"))


def _gelu_tanh(features: Any) -> Any:
    return ops.gelu(features, approximate=True)


def _quick_gelu(features: Any) -> Any:
    """Source: OpenAI's CLIP code, 2021."""
    return features * ops.sigmoid(1.702 * features)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": _gelu,  # exact, with erf: timm, transformers
    "gelu_tanh": _gelu_tanh,  # tanh approximation: Flax, SigLIP
    "quick_gelu": _quick_gelu,  # OpenAI's CLIP towers
    "silu": ops.silu,
}
