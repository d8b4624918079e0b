"""Patch embedding: turns images into one token per patch."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.convolution import convolve
from keras_vit.layers.initialization import lecun_normal
from keras_vit.layers.layer import Layer


@keras.saving.register_keras_serializable(package="keras_vit")
class PatchEmbedding(Layer):
    """Cuts images into patches and projects each one to a vector; the result stays a grid.

    The kernel is stored as (patch height, patch width, channels, embed_dim), whatever the backend.

    Args:
        patch_size: Height and width of a patch in pixels; one number means a square.
        embed_dim: Length of the vector made of each patch, channels, > 0.
        use_bias: Whether patches have a bias.
        pad: Whether images that patches do not divide are padded with zeros at the bottom and right.
        drop_remainder: Whether what patches do not cover at the bottom and right is left out instead.

    Call:
        images: (batch, height, width, channels) -> (batch, rows, columns, embed_dim).

    Raises:
        ValueError: `patch_size` or `embed_dim` is not positive, `pad` meets `drop_remainder`, Keras is set to
            channels first, or the patch size does not divide the image size and both are off.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv 2010.11929; left-out pixels as in SigLIP's
        model with patches of 14 pixels at 384.
    """

    def __init__(
        self,
        patch_size: int | tuple[int, int],
        embed_dim: int,
        *,
        use_bias: bool = True,
        pad: bool = False,
        drop_remainder: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        sizes = (patch_size,) * 2 if isinstance(patch_size, int) else tuple(patch_size)
        if len(sizes) != 2 or min(sizes) < 1 or embed_dim < 1:
            raise ValueError(f"PatchEmbedding needs sizes >= 1; got {patch_size=}, {embed_dim=}.")
        if pad and drop_remainder:
            raise ValueError(
                "PatchEmbedding needs pad or drop_remainder, not both; got pad=True, drop_remainder=True. "
                "Choose pad=True to keep every pixel."
            )
        require_channels_last("PatchEmbedding")
        self.patch_size = sizes
        self.embed_dim = embed_dim
        self.use_bias = use_bias
        self.pad = pad
        self.drop_remainder = drop_remainder
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Any) -> None:
        self.kernel_initializer = lecun_normal()
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.patch_size, input_shape[-1], self.embed_dim),
            initializer=self.kernel_initializer,
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.embed_dim,), initializer="zeros")
        # TensorFlow would take three channels for one as three groups, where 3 divides embed_dim.
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

    def call(self, images: Any) -> Any:
        self._check_static_size(images.shape)
        if not (self.pad or self.drop_remainder) and None in images.shape[1:3]:
            self._check_dynamic_size(images)
        if self.pad:
            images = self._pad(images)
        return convolve(images, self.kernel, self.bias if self.use_bias else None, stride=self.patch_size)

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._check_static_size(input_shape)
        rows, columns = (
            None if size is None else size // patch if self.drop_remainder else -(-size // patch)
            for size, patch in zip(input_shape[1:3], self.patch_size, strict=True)
        )
        return (input_shape[0], rows, columns, self.embed_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "embed_dim": self.embed_dim,
            "use_bias": self.use_bias,
            "pad": self.pad,
            "drop_remainder": self.drop_remainder,
        }

    def _check_static_size(self, shape: Any) -> None:
        sizes = tuple(shape[1:3])
        known = [(size, patch) for size, patch in zip(sizes, self.patch_size, strict=True) if size is not None]
        if self.drop_remainder and any(size < patch for size, patch in known):
            raise ValueError(
                f"PatchEmbedding needs images of at least one patch; got image_size={sizes}, "
                f"patch_size={self.patch_size}. Resize the images."
            )
        if not (self.pad or self.drop_remainder) and any(size % patch for size, patch in known):
            raise ValueError(
                f"PatchEmbedding needs image sizes that the patch size divides; got image_size={sizes}, "
                f"patch_size={self.patch_size}. Resize the images, or pass pad=True to pad them with zeros, or "
                "drop_remainder=True to leave the rest out."
            )

    def _check_dynamic_size(self, images: Any) -> None:
        """Checks sizes that TensorFlow's graphs leave open: convolutions lose what patches do not cover."""
        import tensorflow as tf

        sizes = tf.shape(images)[1:3]
        is_divided = tf.reduce_all(sizes % self.patch_size == 0)
        rule = f"PatchEmbedding needs image sizes that patch_size={self.patch_size} divides; got image_size="
        tf.debugging.Assert(is_divided, [rule, sizes])

    def _pad(self, images: Any) -> Any:
        sizes = ops.shape(images)[1:3]
        bottom, right = (-size % patch for size, patch in zip(sizes, self.patch_size, strict=True))
        if isinstance(bottom, int) and isinstance(right, int) and bottom == right == 0:
            return images
        return ops.pad(images, ((0, 0), (0, bottom), (0, right), (0, 0)))


def require_channels_last(who: str) -> None:
    """Raises a ValueError where Keras is set to put channels before height and width."""
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{who} needs images as (batch, height, width, channels); got "
            "keras.config.image_data_format()='channels_first'. "
            "Call keras.config.set_image_data_format('channels_last') and transpose the images."
        )
