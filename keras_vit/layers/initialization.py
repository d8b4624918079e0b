"""Starting values of weights, and a way to skip them where a checkpoint is about to be loaded."""

import contextlib
import contextvars
from collections.abc import Collection, Iterator
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


def draw_skipped(layer: keras.layers.Layer, paths: Collection[str]) -> None:
    """Gives weights that were built while skipping the starting values that their layers choose.

    A layer keeps the initializer of its weight `NAME` as `NAME_initializer`, as Keras' own layers do. Not by another
    layer of the same config: Keras imports TensorFlow, where it is installed, to write and to read one.

    Args:
        layer: Holds the weights, by itself or in layers inside it.
        paths: The weights' `path`; those that are never skipped keep the values that they have.
    """
    for part in layer._flatten_layers():
        for weight in part.weights:
            owner, _, name = weight.path.rpartition("/")
            initializer = getattr(part, f"{name}_initializer", None)
            if weight.path in paths and owner == part.path and isinstance(initializer, Skippable):
                weight.assign(initializer(weight.shape, weight.dtype))


class Skippable(keras.initializers.Initializer):
    """Runs another initializer, unless `skip_initialization` is in force.

    Layers hold it, configs never do: it is rebuilt by the layer that made it. Every call draws other numbers, unless
    the initializer has a seed, so that weights may share one.
    """

    def __init__(self, initializer: keras.initializers.Initializer) -> None:
        self.initializer = initializer

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        if _is_skipping.get():
            return ops.zeros(shape, dtype)
        # An initializer of Keras without a seed draws one when it is made, and returns the same numbers ever after.
        return self.initializer.clone()(shape, dtype)

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
