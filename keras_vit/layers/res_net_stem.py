"""The ResNet in front of a hybrid Vision Transformer: images become a feature map, whose places become patches."""

from typing import Any

import keras

from keras_vit.layers.bottleneck import NUM_GROUPS, Bottleneck, group_norm
from keras_vit.layers.convolution import max_pool, relu_in_place
from keras_vit.layers.layer import Layer
from keras_vit.layers.standardized_conv2d import StandardizedConv2D

_WIDENING = 4  # channels of the first stage / those of the root; each later stage doubles them


@keras.saving.register_keras_serializable(package="keras_vit")
class ResNetStem(Layer):
    """A root (convolution of 7 pixels, norm, ReLU, max pooling) and stages of bottlenecks.

    The root makes one place of 4 x 4 pixels, each stage after the first one place of 2 x 2.

    Args:
        depths: Bottlenecks of each stage, each >= 1; none at all leaves the root alone.
        root_dim: Channels of the root, a multiple of 32; the first stage has four times as many.

    Call:
        images: (batch, height, width, channels) -> (batch, rows, columns, features), height and width divided by
        `map_strides` and rounded up.

    Raises:
        ValueError: A depth or `root_dim` is out of range.

    Source: Kolesnikov et al., "Big Transfer", 2020, arXiv 1912.11370; as the stem of a Vision Transformer: Dosovitskiy
        et al., 2021, arXiv 2010.11929, and Steiner et al., 2022, arXiv 2106.10270.
    """

    def __init__(self, depths: tuple[int, ...] = (3, 4, 9), root_dim: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if any(depth < 1 for depth in depths) or root_dim < 1 or root_dim % NUM_GROUPS:
            raise ValueError(
                f"ResNetStem needs depths >= 1 and root_dim to be a multiple of {NUM_GROUPS}; got {depths=}, "
                f"{root_dim=}."
            )
        self.depths = tuple(depths)
        self.root_dim = root_dim

    def build(self, input_shape: Any) -> None:
        dtype = self.dtype_policy
        self.root_conv = StandardizedConv2D(self.root_dim, 7, strides=2, dtype=dtype, name="root_conv")
        self.root_norm = group_norm("root_norm", dtype)
        self.bottlenecks = [
            Bottleneck(
                self.root_dim * _WIDENING * 2**stage,
                strides=2 if stage > 0 and index == 0 else 1,
                dtype=dtype,
                name=f"stage_{stage}_{index}",
            )
            for stage, depth in enumerate(self.depths)
            for index in range(depth)
        ]
        self.root_conv.build(input_shape)
        self.root_norm.build(self.root_conv.compute_output_shape(input_shape))
        shape: tuple[int | None, ...] = (input_shape[0], None, None, self.root_dim)
        for layer in self.bottlenecks:
            layer.build(shape)
            shape = tuple(layer.compute_output_shape(shape))

    def call(self, images: Any) -> Any:
        features = max_pool(relu_in_place(self.root_norm(self.root_conv(images))))
        for bottleneck in self.bottlenecks:
            features = bottleneck(features)
        return features

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, _ = input_shape
        strides, channels = map_strides(self.depths), map_dim(self.depths, self.root_dim)
        return (batch, *(None if size is None else -(-size // strides) for size in sizes), channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "depths": self.depths, "root_dim": self.root_dim}


def map_strides(depths: tuple[int, ...]) -> int:
    """Returns the pixels from one place of the feature map to the next."""
    return 4 * 2 ** max(len(depths) - 1, 0)


def map_dim(depths: tuple[int, ...], root_dim: int) -> int:
    """Returns the channels of the feature map."""
    return root_dim * (_WIDENING * 2 ** (len(depths) - 1) if depths else 1)
