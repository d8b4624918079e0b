"""Relative positions: a learned bias of attention for each offset between two patches."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_vit.layers.layer import Layer

NUM_CLASS_ROWS = 3  # of a table, after those of all offsets: class token to patches, patches to it, it to itself


@keras.saving.register_keras_serializable(package="keras_vit")
class RelativePositionBias(Layer):
    """Adds a learned number to the logits of attention, for each head and each offset between two patches.

    Args:
        num_heads: Number of attention heads, > 0.
        grid_size: Rows and columns of patches, > 0; tokens are in the order row by row, top left first.
        use_class_token: Whether one token is in front of the patches; its three kinds of pairs have their own biases.

    Call:
        logits: (batch, num_heads, num_tokens, num_tokens) -> same shape and dtype.

    Raises:
        ValueError: A number is not positive.

    Source: Liu et al., "Swin Transformer", 2021, arXiv 2103.14030; class token: Bao et al., "BEiT", 2022,
        arXiv 2106.08254.
    """

    def __init__(
        self, num_heads: int, grid_size: tuple[int, int], *, use_class_token: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1 or len(grid_size) != 2 or min(grid_size) < 1:
            raise ValueError(
                f"RelativePositionBias needs num_heads >= 1 and two sizes >= 1; got {num_heads=}, {grid_size=}."
            )
        self.num_heads = num_heads
        self.grid_size = (int(grid_size[0]), int(grid_size[1]))
        self.use_class_token = use_class_token
        self._index = relative_position_index(self.grid_size, use_class_token=use_class_token)

    def build(self, input_shape: Any = None) -> None:
        num_rows = count_relative_positions(self.grid_size, use_class_token=self.use_class_token)
        self.table = self.add_weight(name="table", shape=(num_rows, self.num_heads), initializer="zeros")

    def call(self, logits: Any) -> Any:
        return logits + self.bias()

    def bias(self) -> Any:
        """Returns what is added to logits, (num_heads, num_tokens, num_tokens), in the compute dtype."""
        table = ops.cast(self.table, self.compute_dtype)
        num_tokens = self._index.shape[0]
        # Transposed while it is small: heads come first in logits.
        gathered = ops.take(ops.transpose(table), self._index.reshape(-1), axis=1)
        return ops.reshape(gathered, (self.num_heads, num_tokens, num_tokens))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "grid_size": self.grid_size,
            "use_class_token": self.use_class_token,
        }


def count_relative_positions(grid_size: tuple[int, int], *, use_class_token: bool = False) -> int:
    """Returns the number of rows of a table: one for each offset, and those of the class token."""
    rows, columns = grid_size
    return (2 * rows - 1) * (2 * columns - 1) + (NUM_CLASS_ROWS if use_class_token else 0)


def relative_position_index(grid_size: tuple[int, int], *, use_class_token: bool = False) -> NDArray[np.int32]:
    """Returns which row of the table belongs to each pair of tokens.

    Args:
        grid_size: Rows and columns of patches.
        use_class_token: Whether one token is in front of the patches.

    Returns:
        (num_tokens, num_tokens), by query and key. Offsets (query - key) are in the table row by row, the most negative
        first.
    """
    rows, columns = grid_size
    places = np.indices(grid_size).reshape(2, -1).T
    offsets = places[:, None] - places[None, :] + (rows - 1, columns - 1)
    index = offsets[..., 0] * (2 * columns - 1) + offsets[..., 1]
    if use_class_token:
        first = count_relative_positions(grid_size)
        index = np.pad(index, ((1, 0), (1, 0)))
        index[0, :], index[:, 0], index[0, 0] = first, first + 1, first + 2
    return index.astype("int32")
