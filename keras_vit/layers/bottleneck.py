"""The bottleneck of a ResNet: three convolutions, narrow in the middle, beside a shortcut."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.convolution import relu_in_place
from keras_vit.layers.group_normalization import GroupNormalization
from keras_vit.layers.layer import Layer
from keras_vit.layers.standardized_conv2d import StandardizedConv2D

NUM_GROUPS = 32  # of channels that are normalised together, in every norm of a ResNet stem
NORM_EPSILON = 1e-5
_NARROWING = 4


@keras.saving.register_keras_serializable(package="keras_vit")
class Bottleneck(Layer):
    """Adds to images what convolutions of 1, 3 and 1 pixels make of them, each with a group norm, then ReLU.

    The middle one is a quarter as wide, and is where strides are. The shortcut has a convolution and a norm of its own
    where the shape changes.

    Args:
        filters: Output channels, a multiple of 128, so that each norm has 32 groups.
        strides: Pixels from one output to the next, > 0.

    Call:
        images: (batch, height, width, channels) -> (batch, ceil(height / strides), ceil(width / strides), filters).

    Raises:
        ValueError: `filters` is no multiple of 128, or `strides` is not positive.

    Source: He et al., 2016, arXiv 1512.03385; group norm and standardised kernels as in Kolesnikov et al., "Big
        Transfer", 2020, arXiv 1912.11370; the order as in the hybrids of Dosovitskiy et al., 2021, arXiv 2010.11929.
    """

    def __init__(self, filters: int, *, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if filters < 1 or filters % (NUM_GROUPS * _NARROWING) or strides < 1:
            raise ValueError(
                f"Bottleneck needs filters to be a multiple of {NUM_GROUPS * _NARROWING} and strides >= 1; got "
                f"{filters=}, {strides=}."
            )
        self.filters = filters
        self.strides = strides

    def build(self, input_shape: Any) -> None:
        narrow = self.filters // _NARROWING
        self.has_projection = input_shape[-1] != self.filters or self.strides > 1
        self.conv_1 = self._conv(narrow, 1, name="conv_1")
        self.norm_1 = group_norm("norm_1", self.dtype_policy)
        self.conv_2 = self._conv(narrow, 3, strides=self.strides, name="conv_2")
        self.norm_2 = group_norm("norm_2", self.dtype_policy)
        self.conv_3 = self._conv(self.filters, 1, name="conv_3")
        self.norm_3 = group_norm("norm_3", self.dtype_policy)
        shape = tuple(input_shape)
        if self.has_projection:
            self.shortcut_conv = self._conv(self.filters, 1, strides=self.strides, name="shortcut_conv")
            self.shortcut_norm = group_norm("shortcut_norm", self.dtype_policy)
            self.shortcut_conv.build(shape)
            self.shortcut_norm.build(self.shortcut_conv.compute_output_shape(shape))
        for layer in (self.conv_1, self.norm_1, self.conv_2, self.norm_2, self.conv_3, self.norm_3):
            layer.build(shape)
            shape = tuple(layer.compute_output_shape(shape))

    def call(self, images: Any) -> Any:
        shortcut = self.shortcut_norm(self.shortcut_conv(images)) if self.has_projection else images
        branch = relu_in_place(self.norm_1(self.conv_1(images)))
        branch = relu_in_place(self.norm_2(self.conv_2(branch)))
        branch = self.norm_3(self.conv_3(branch))
        return relu_in_place(ops.add(shortcut, branch))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, _ = input_shape
        return (batch, *(None if size is None else -(-size // self.strides) for size in sizes), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}

    def _conv(self, filters: int, kernel_size: int, **arguments: Any) -> StandardizedConv2D:
        return StandardizedConv2D(filters, kernel_size, dtype=self.dtype_policy, **arguments)


def group_norm(name: str, dtype: Any) -> GroupNormalization:
    """Returns a norm over places and groups of channels."""
    return GroupNormalization(NUM_GROUPS, epsilon=NORM_EPSILON, name=name, dtype=dtype)
