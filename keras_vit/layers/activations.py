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


def activate_in_place(activation: Callable[[Any], Any], features: Any) -> Any:
    """Returns activated features, which nothing else reads: where PyTorch needs no gradients, they are overwritten.

    Hidden maps of pyramids have tens of megabytes, which the system would hand out page by page once more.
    """
    if activation is _gelu and keras.config.backend() == "torch":
        import torch

        if not torch.is_grad_enabled():
            return torch.ops.aten.gelu_(features)
    return activation(features)


def _gelu(features: Any) -> Any:
    if keras.config.backend() == "torch":
        return ops.gelu(features, approximate=False)  # one fused kernel
    # Keras takes erfc here: slower (2.6 times in a forward step on JAX), and unknown to tf2onnx. With erf, half
    # precision would lose the digits of 1 + erf.
    wide = ops.cast(features, keras.backend.result_type(features.dtype, "float32"))
    return ops.cast(0.5 * wide * (1.0 + ops.erf(wide * math.sqrt(0.5))), features.dtype)


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
