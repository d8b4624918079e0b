"""The activation functions that Vision Transformers use, by name."""

from collections.abc import Callable
from typing import Any

from keras import ops


def get_activation(name: str) -> Callable[[Any], Any]:
    """Returns the function called `name`; a ValueError lists the known names."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation needs to be one of {sorted(ACTIVATIONS)}; got activation={name!r}.")
    return ACTIVATIONS[name]


def _gelu(features: Any) -> Any:
    return ops.gelu(features, approximate=False)


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
