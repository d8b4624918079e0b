"""Patch merging: four neighbours become one patch of twice the width."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm
from keras_vit.layers.windows import pad_to_windows

ORDERS = ("pre_norm", "post_norm")


@keras.saving.register_keras_serializable(package="keras_vit")
class PatchMerging(Layer):
    """Puts the channels of each square of 2 x 2 patches side by side and projects them to twice the width.

    An odd number of rows or columns is filled up with zeros at the bottom or right.

    Args:
        order: "pre_norm" (normalise, then project) or "post_norm" (project, then normalise).
        norm_epsilon: Added to the variance in the norm, > 0.

    Call:
        patches: (batch, rows, columns, embed_dim) -> (batch, ceil(rows / 2), ceil(columns / 2), 2 * embed_dim).

    Raises:
        ValueError: `order` is unknown.

    Source: Liu et al., 2021, arXiv 2103.14030; "post_norm": Liu et al., 2022, arXiv 2111.09883.
    """

    def __init__(self, order: str = "pre_norm", *, norm_epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if order not in ORDERS:
            raise ValueError(f"PatchMerging needs order to be one of {ORDERS}; got {order=}.")
        self.order = order
        self.norm_epsilon = norm_epsilon
        self.norm = make_norm("layer_norm", norm_epsilon, name="norm", dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        self.reduction = Dense(
            2 * embed_dim,
            use_bias=False,
            kernel_initializer=glorot_uniform(),
            name="reduction",
            dtype=self.dtype_policy,
        )
        self.reduction.build((None, None, None, 4 * embed_dim))
        self.norm.build((None, None, None, (4 if self.order == "pre_norm" else 2) * embed_dim))

    def call(self, patches: Any) -> Any:
        patches, embed_dim = pad_to_windows(patches, (2, 2)), patches.shape[-1]
        _, rows, columns, _ = ops.shape(patches)
        squares = ops.reshape(patches, (-1, rows // 2, 2, columns // 2, 2, embed_dim))
        # Down the left side of a square first, then down the right.
        squares = ops.reshape(ops.transpose(squares, (0, 1, 3, 4, 2, 5)), (-1, rows // 2, columns // 2, 4 * embed_dim))
        if self.order == "pre_norm":
            return self.reduction(self.norm(squares))
        return self.norm(self.reduction(squares))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, embed_dim = input_shape
        return (batch, *(None if size is None else -(-size // 2) for size in sizes), 2 * embed_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order, "norm_epsilon": self.norm_epsilon}
