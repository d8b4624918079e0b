"""Overlapping patch embedding: turns images, or a grid of patches, into a coarser grid of patches that share pixels."""

from typing import Any

import keras

from keras_vit.layers.convolution import convolve
from keras_vit.layers.initialization import lecun_normal
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm
from keras_vit.layers.patch_embedding import require_channels_last


@keras.saving.register_keras_serializable(package="keras_vit")
class OverlappingPatchEmbedding(Layer):
    """Projects a square around every `stride`-th pixel to a vector and normalises it; the result stays a grid.

    Zeros lie around the images. Any size will do: the grid has one row for each `stride` pixels of height, the last
    of them may be incomplete.

    Args:
        patch_size: Height and width of a patch in pixels, odd.
        stride: Pixels from one patch to the next, 0 < stride <= patch_size.
        embed_dim: Length of the vector made of each patch, channels, > 0.
        norm_epsilon: Added to the variance in the norm, > 0.

    Call:
        images: (batch, height, width, channels) -> (batch, rows, columns, embed_dim).

    Raises:
        ValueError: A size is out of range, or Keras is set to channels first.

    Source: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", 2022, arXiv 2106.13797.
    """

    def __init__(
        self, patch_size: int, stride: int, embed_dim: int, *, norm_epsilon: float = 1e-5, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if patch_size % 2 == 0 or not 0 < stride <= patch_size or embed_dim < 1:
            raise ValueError(
                "OverlappingPatchEmbedding needs an odd patch_size, 0 < stride <= patch_size and embed_dim >= 1; got "
                f"{patch_size=}, {stride=}, {embed_dim=}."
            )
        require_channels_last("OverlappingPatchEmbedding")
        self.patch_size = patch_size
        self.stride = stride
        self.embed_dim = embed_dim
        self.norm_epsilon = norm_epsilon
        self.norm = make_norm("layer_norm", norm_epsilon, name="norm", dtype=self.dtype_policy)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Any) -> None:
        self.kernel_initializer = lecun_normal()
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.patch_size, self.patch_size, input_shape[-1], self.embed_dim),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.embed_dim,), initializer="zeros")
        self.norm.build((*input_shape[:-1], self.embed_dim))
        # TensorFlow would take three channels for one as three groups, where 3 divides embed_dim.
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

    def call(self, images: Any) -> Any:
        patches = convolve(images, self.kernel, self.bias, stride=self.stride, border=self.patch_size // 2)
        return self.norm(patches)

    def compute_output_shape(self, input_shape: Any) -> Any:
        rows, columns = (None if size is None else -(-size // self.stride) for size in input_shape[1:3])
        return (input_shape[0], rows, columns, self.embed_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "stride": self.stride,
            "embed_dim": self.embed_dim,
            "norm_epsilon": self.norm_epsilon,
        }
