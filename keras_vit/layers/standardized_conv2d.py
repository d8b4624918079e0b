"""A convolution whose kernel is standardised before it is used."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.convolution import convolve
from keras_vit.layers.initialization import lecun_normal
from keras_vit.layers.layer import Layer
from keras_vit.layers.patch_embedding import require_channels_last


@keras.saving.register_keras_serializable(package="keras_vit")
class StandardizedConv2D(Layer):
    """Convolves images with a kernel whose weights have mean 0 and variance 1 for each output channel.

    There is no bias: a norm follows. Images are padded with zeros so that every stride has an output ("same", more at
    the bottom and right where it cannot be even).

    Args:
        filters: Output channels, > 0.
        kernel_size: Height and width of the kernel, pixels, > 0.
        strides: Pixels from one output to the next, > 0.
        epsilon: Added to the variance of the weights, > 0.

    Call:
        images: (batch, height, width, channels) -> (batch, ceil(height / strides), ceil(width / strides), filters).

    Raises:
        ValueError: A number is not positive, or Keras is set to channels first.

    Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019, arXiv
        1903.10520; epsilon and padding as in timm's hybrids.
    """

    def __init__(
        self, filters: int, kernel_size: int, *, strides: int = 1, epsilon: float = 1e-8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if min(filters, kernel_size, strides) < 1 or epsilon <= 0:
            raise ValueError(
                "StandardizedConv2D needs filters, kernel_size and strides >= 1 and epsilon > 0; got "
                f"{filters=}, {kernel_size=}, {strides=}, {epsilon=}."
            )
        require_channels_last("StandardizedConv2D")
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.epsilon = epsilon
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Any) -> None:
        self.kernel_initializer = lecun_normal()
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            autocast=False,  # standardised in full precision, rounded once; float16 has no 1e-8
        )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

    def call(self, images: Any) -> Any:
        kernel = ops.cast(self.standardized_kernel(), images.dtype)
        return convolve(images, kernel, stride=self.strides, border=None)

    def standardized_kernel(self) -> Any:
        """Returns the kernel that images meet, (kernel_size, kernel_size, channels, filters), float32 or longer."""
        kernel = ops.convert_to_tensor(self.kernel)
        kernel = ops.cast(kernel, keras.backend.result_type(kernel.dtype, "float32"))
        if keras.backend.backend() == "torch":
            return _standardize_on_torch(kernel, self.epsilon)
        centred = kernel - ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
        variance = ops.mean(ops.square(centred), axis=(0, 1, 2), keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, _ = input_shape
        return (batch, *(None if size is None else -(-size // self.strides) for size in sizes), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "epsilon": self.epsilon,
        }


def _standardize_on_torch(kernel: Any, epsilon: float) -> Any:
    """One pass over the kernel instead of five, and filters first in memory, as PyTorch's convolutions read them."""
    import torch

    height, width, channels, filters = kernel.shape
    # Two axes are transposed block by block, which takes half the time of permuting four.
    rows = kernel.reshape(-1, filters).transpose(0, 1).contiguous()
    rows = torch.nn.functional.layer_norm(rows, rows.shape[1:], eps=epsilon)
    return rows.reshape(filters, height, width, channels).permute(1, 2, 3, 0)
