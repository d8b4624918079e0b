"""The norms that Vision Transformers use, by name."""

from typing import Any

import keras

NORMS = ("layer_norm", "rms_norm")


def make_norm(kind: str, epsilon: float, *, name: str, dtype: Any) -> keras.layers.Layer:
    """Returns a norm of the last axis: "layer_norm" (mean 0, variance 1) or "rms_norm" (root mean square 1, no offset).

    Args:
        kind: One of `NORMS`, as `require_norm` checks.
        epsilon: Added to the variance or mean square, > 0.
        name: Name of the layer.
        dtype: Its dtype policy.

    Source: Ba et al., 2016, arXiv 1607.06450; Zhang and Sennrich, 2019, arXiv 1910.07467 (rms_norm, as in AIMv2).
    """
    layer = keras.layers.LayerNormalization if kind == "layer_norm" else keras.layers.RMSNormalization
    return layer(epsilon=epsilon, name=name, dtype=dtype)


def require_norm(who: str, kind: str, *, name: str = "norm") -> None:
    """Raises a ValueError where the argument `name` of a layer is no known norm, whether the layer uses it or not."""
    if kind not in NORMS:
        raise ValueError(f"{who} needs {name} to be one of {NORMS}; got {name}={kind!r}.")
