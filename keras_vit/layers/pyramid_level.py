"""Pyramid level: makes a map of another resolution from the only one that a plain Vision Transformer has."""

from typing import Any

import keras

from keras_vit.layers.activations import get_activation
from keras_vit.layers.dense import Dense
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm


@keras.saving.register_keras_serializable(package="keras_vit")
class PyramidLevel(Layer):
    """Doubles or halves the rows and columns of a map some times, and gives it the width of the pyramid.

    Each doubling is a transposed convolution that halves the channels, with norm and GELU before the next; halving is
    max pooling. Then come a 1 x 1 and a 3 x 3 convolution, each with a norm.

    Args:
        num_doublings: How often rows and columns are doubled; -1 halves them once.
        pyramid_dim: Width of the result, channels, > 0.
        norm_epsilon: Added to the variance in the norms, > 0.

    Call:
        patches: (batch, rows, columns, embed_dim) ->
            (batch, rows * 2**num_doublings, columns * 2**num_doublings, pyramid_dim), rounded up.

    Raises:
        ValueError: `pyramid_dim` is not positive, or doubling leaves no channels.

    Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", 2022, arXiv 2203.16527.
    """

    def __init__(self, num_doublings: int, pyramid_dim: int, *, norm_epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if pyramid_dim < 1:
            raise ValueError(f"PyramidLevel needs pyramid_dim >= 1; got {pyramid_dim=}.")
        self.num_doublings = num_doublings
        self.pyramid_dim = pyramid_dim
        self.norm_epsilon = norm_epsilon
        self.activation = get_activation("gelu")

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        if embed_dim >> max(self.num_doublings, 0) < 1:
            raise ValueError(
                f"PyramidLevel needs a channel left after each doubling halved them; got {embed_dim=}, "
                f"num_doublings={self.num_doublings}."
            )
        self.pool: Any = None
        self.doublings, self.doubling_norms = [], []
        if self.num_doublings < 0:
            # "same": a map of 7 rows becomes one of 4, as in models that are hierarchical themselves.
            factor = 2**-self.num_doublings
            self.pool = keras.layers.MaxPooling2D(factor, padding="same", name="pool", dtype=self.dtype_policy)
        for index in range(self.num_doublings):
            if index:
                self.doubling_norms.append(self._make_norm(f"doubling_norm_{index}", embed_dim))
            self.doublings.append(self._make_doubling(f"doubling_{index}", embed_dim))
            embed_dim //= 2
        self.project = Dense(
            self.pyramid_dim,
            use_bias=False,
            kernel_initializer=glorot_uniform(),
            name="project",
            dtype=self.dtype_policy,
        )
        self.project.build((None, None, None, embed_dim))
        self.project_norm = self._make_norm("project_norm", self.pyramid_dim)
        self.smooth = keras.layers.Conv2D(
            self.pyramid_dim,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer=glorot_uniform(),
            name="smooth",
            dtype=self.dtype_policy,
        )
        self.smooth.build((None, None, None, self.pyramid_dim))
        self.smooth_norm = self._make_norm("smooth_norm", self.pyramid_dim)

    def call(self, patches: Any) -> Any:
        if self.pool is not None:
            patches = self.pool(patches)
        for index, doubling in enumerate(self.doublings):
            if index:
                patches = self.activation(self.doubling_norms[index - 1](patches))
            patches = doubling(patches)
        patches = self.project_norm(self.project(patches))
        return self.smooth_norm(self.smooth(patches))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, rows, columns, _ = input_shape
        return (batch, self._scale(rows), self._scale(columns), self.pyramid_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_doublings": self.num_doublings,
            "pyramid_dim": self.pyramid_dim,
            "norm_epsilon": self.norm_epsilon,
        }

    def _scale(self, size: int | None) -> int | None:
        if size is None:
            return None
        return size << self.num_doublings if self.num_doublings >= 0 else -(-size // 2**-self.num_doublings)

    def _make_doubling(self, name: str, embed_dim: int) -> keras.layers.Layer:
        layer = keras.layers.Conv2DTranspose(
            embed_dim // 2, 2, strides=2, kernel_initializer=glorot_uniform(), name=name, dtype=self.dtype_policy
        )
        layer.build((None, None, None, embed_dim))
        return layer

    def _make_norm(self, name: str, width: int) -> keras.layers.Layer:
        norm = make_norm("layer_norm", self.norm_epsilon, name=name, dtype=self.dtype_policy)
        norm.build((None, None, None, width))
        return norm
