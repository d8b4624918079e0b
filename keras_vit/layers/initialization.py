"""Starting values of weights, and a way to skip them where a checkpoint is about to be loaded."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

_is_skipping = contextvars.ContextVar("keras_vit_skip_initialization", default=False)


@contextlib.contextmanager
def skip_initialization() -> Iterator[None]:
    """Builds layers with zeros: drawing 86 million numbers that a checkpoint overwrites costs seconds."""
    token = _is_skipping.set(True)
    try:
        yield
    finally:
        _is_skipping.reset(token)


class Skippable(keras.initializers.Initializer):
    """Runs another initializer, unless `skip_initialization` is in force.

    Layers hold it, configs never do: it is rebuilt by the layer that made it.
    """

    def __init__(self, initializer: keras.initializers.Initializer) -> None:
        self.initializer = initializer

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        if _is_skipping.get():
            return ops.zeros(shape, dtype)
        return self.initializer(shape, dtype)

    def clone(self) -> "Skippable":
        return Skippable(self.initializer.clone())


def glorot_uniform() -> Skippable:
    """Dense kernels. Source: the Flax code of Dosovitskiy et al., 2021, arXiv 2010.11929."""
    return Skippable(keras.initializers.GlorotUniform())


def lecun_normal() -> Skippable:
    """Patch kernels: patches of unit variance become vectors of unit variance. Source: likewise, Flax's default."""
    return Skippable(keras.initializers.LecunNormal())


def normal(stddev: float) -> Skippable:
    """Position tables and prefix tokens (0.02). Source: timm's `vision_transformer.py`, for the tables."""
    return Skippable(keras.initializers.RandomNormal(stddev=stddev))
