"""The convolutions in front of MobileCLIP's Vision Transformer: patches are embedded in small steps."""

from typing import Any

import keras

from keras_vit.layers.activations import get_activation
from keras_vit.layers.layer import Layer
from keras_vit.layers.patch_embedding import PatchEmbedding

_STEPS = (4, 2)  # pixels, and places of the first step, that become one place
_NORM_EPSILON = 1e-5


@keras.saving.register_keras_serializable(package="keras_vit")
class ConvStem(Layer):
    """Embeds patches of 4 x 4 pixels and then of 2 x 2 of those, each with batch norm and GELU.

    In training, norms take mean and variance from the batch; a frozen stem takes the stored ones, like Keras' own
    batch norm.

    Args:
        output_dim: Channels of both steps, > 0.

    Call:
        images: (batch, height, width, channels), sizes that 8 divides -> (batch, height / 8, width / 8, output_dim).

    Raises:
        ValueError: `output_dim` is not positive, or 8 does not divide a size of the images.

    Source: Vasu et al., "MobileCLIP", 2024, arXiv 2311.17049; constants as in timm's `vit_base_mci_224`.
    """

    strides = 8  # pixels from one place of the feature map to the next

    def __init__(self, output_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if output_dim < 1:
            raise ValueError(f"ConvStem needs output_dim >= 1; got {output_dim=}.")
        self.output_dim = output_dim

    def build(self, input_shape: Any) -> None:
        dtype = self.dtype_policy
        self.convs, self.norms = [], []
        shape = tuple(input_shape)
        for index, step in enumerate(_STEPS):
            conv = PatchEmbedding(step, self.output_dim, use_bias=False, dtype=dtype, name=f"conv_{index}")
            norm = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=_NORM_EPSILON, dtype=dtype, name=f"norm_{index}"
            )
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
            norm.build(shape)
            self.convs.append(conv)
            self.norms.append(norm)

    def call(self, images: Any, training: bool | None = None) -> Any:
        features, activation = images, get_activation("gelu")
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = activation(norm(conv(features), training=training))
        return features

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, _ = input_shape
        return (batch, *(None if size is None else size // self.strides for size in sizes), self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_dim": self.output_dim}
