"""Continuous position bias: a small network turns the offset between two patches into a bias of attention."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.relative_positions import relative_position_index

HIDDEN_DIM = 512  # channels inside the network
_MAX_BIAS = 16.0
_SPAN = 8.0  # offsets reach from -8 to 8 before their logarithm is taken


@keras.saving.register_keras_serializable(package="keras_vit")
class ContinuousPositionBias(Layer):
    """Adds a number from 0 to 16 to the logits of attention, for each head and each offset between two patches.

    The network reads the logarithm of an offset, as a share of the window, and so fits windows of any size.

    Args:
        num_heads: Number of attention heads, > 0.
        window_size: Rows and columns of patches, > 0; tokens are in the order row by row, top left first.
        pretrained_window_size: Rows and columns of the window that the network was trained with; 0 means this one's.

    Call:
        logits: (batch, num_heads, num_tokens, num_tokens) -> same shape and dtype.

    Raises:
        ValueError: A number is out of range.

    Source: Liu et al., "Swin Transformer V2", 2022, arXiv 2111.09883.
    """

    def __init__(
        self, num_heads: int, window_size: tuple[int, int], *, pretrained_window_size: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1 or len(window_size) != 2 or min(window_size) < 1 or pretrained_window_size < 0:
            raise ValueError(
                "ContinuousPositionBias needs num_heads >= 1, two sizes >= 1 and pretrained_window_size >= 0; got "
                f"{num_heads=}, {window_size=}, {pretrained_window_size=}."
            )
        self.num_heads = num_heads
        self.window_size = (int(window_size[0]), int(window_size[1]))
        self.pretrained_window_size = pretrained_window_size
        self._index = relative_position_index(self.window_size)
        self._offsets = _log_offsets(self.window_size, pretrained_window_size)

    def build(self, input_shape: Any = None) -> None:
        # In full precision, for it is little work: half of it would move a bias of 16 by up to 0.06.
        full = {"autocast": False}
        self.hidden_kernel_initializer, self.output_kernel_initializer = glorot_uniform(), glorot_uniform()
        self.hidden_kernel = self.add_weight(
            name="hidden_kernel", shape=(2, HIDDEN_DIM), initializer=self.hidden_kernel_initializer, **full
        )
        self.hidden_bias = self.add_weight(name="hidden_bias", shape=(HIDDEN_DIM,), initializer="zeros", **full)
        self.output_kernel = self.add_weight(
            name="output_kernel", shape=(HIDDEN_DIM, self.num_heads), initializer=self.output_kernel_initializer, **full
        )

    def call(self, logits: Any) -> Any:
        return logits + self.bias()

    def bias(self) -> Any:
        """Returns what is added to logits, (num_heads, num_tokens, num_tokens), in the compute dtype."""
        offsets = ops.convert_to_tensor(self._offsets, dtype=self.variable_dtype)
        hidden = ops.relu(ops.matmul(offsets, self.hidden_kernel) + self.hidden_bias)
        table = _MAX_BIAS * ops.sigmoid(ops.matmul(hidden, self.output_kernel))
        num_tokens = self._index.shape[0]
        gathered = ops.take(ops.transpose(table), self._index.reshape(-1), axis=1)
        return ops.cast(ops.reshape(gathered, (self.num_heads, num_tokens, num_tokens)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window_size": self.window_size,
            "pretrained_window_size": self.pretrained_window_size,
        }


def _log_offsets(window_size: tuple[int, int], pretrained_window_size: int) -> NDArray[np.float32]:
    """Returns every offset of rows and columns, (offsets, 2), as signed logarithms of shares of the window."""
    axes = []
    for size in window_size:
        longest = max((pretrained_window_size or size) - 1, 1)
        offsets = np.arange(1 - size, size) * (_SPAN / longest)
        axes.append(np.sign(offsets) * np.log2(np.abs(offsets) + 1) / math.log2(_SPAN))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype("float32")
