"""Depthwise convolution: each channel of a patch looks at the same channel of the patches around it."""

from typing import Any

import keras

from keras_vit.layers.convolution import convolve_depthwise
from keras_vit.layers.initialization import normal
from keras_vit.layers.layer import Layer

_SIZE = 3  # rows and columns of the kernels


@keras.saving.register_keras_serializable(package="keras_vit")
class DepthwiseConv(Layer):
    """Convolves each channel with 3 x 3 numbers of its own and adds a bias; zeros lie around the patches.

    The zeros tell patches near the border from others: models with such layers need no positions.

    Call:
        patches: (batch, rows, columns, channels) -> same shape.

    Source: Islam et al., "How Much Position Information Do Convolutional Neural Networks Encode?", 2020,
        arXiv 2001.08248; starting values as in timm's `pvt_v2.py`.
    """

    def build(self, input_shape: Any) -> None:
        num_channels = input_shape[-1]
        self.kernel_initializer = normal(stddev=(2 / _SIZE**2) ** 0.5)
        self.kernel = self.add_weight(
            name="kernel", shape=(_SIZE, _SIZE, num_channels, 1), initializer=self.kernel_initializer
        )
        self.bias = self.add_weight(name="bias", shape=(num_channels,), initializer="zeros")

    def call(self, patches: Any) -> Any:
        return convolve_depthwise(patches, self.kernel, self.bias)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
