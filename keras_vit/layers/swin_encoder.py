"""One encoder layer of a Swin Transformer: attention in windows, and a feed-forward part, on residual branches."""

import functools
from typing import Any

import keras
from keras import ops

from keras_vit.layers.drop_path import DropPath
from keras_vit.layers.mlp import MLP
from keras_vit.layers.normalization import LayerNormalization
from keras_vit.layers.recomputation import Prologue, apply
from keras_vit.layers.residual_encoder import ResidualEncoder
from keras_vit.layers.window_attention import WindowAttention
from keras_vit.layers.windows import (
    effective_shift,
    merge_windows,
    pad_to_windows,
    partition_windows,
    shift_mask,
    shift_patches,
)

ORDERS = ("pre_norm", "post_norm")


@keras.saving.register_keras_serializable(package="keras_vit")
class SwinEncoder(ResidualEncoder):
    """Adds attention inside windows and a feed-forward part to the patches.

    In the order "pre_norm": patches + drop_path(attention(norm(patches))), then the same with mlp. "post_norm"
    normalises what a branch returns, with factors that start at zero, so that each layer starts as the identity.

    Windows that do not divide the grid reach over zeros at the bottom and right. An axis that one window covers is not
    shifted.

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the patches.
        mlp_dim: Width inside the feed-forward part, channels, > 0.
        window_size: Rows and columns of a window, > 0.
        shift_size: Rows and columns by which windows are shifted, >= 0 and less than the window.
        order: "pre_norm" or "post_norm".
        similarity: Of queries and keys, as in `WindowAttention`: "dot" or "cosine".
        pretrained_window_size: Likewise, for "cosine".
        use_qkv_bias: Whether queries, keys and values have a bias; keys have none with "cosine".
        dropout_rate: Share of values dropped after dense layers while training, 0 <= rate < 1.
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        drop_path_rate: Share of samples that skip a branch while training, 0 <= rate < 1.
        norm_epsilon: Added to the variance in the norms, > 0.
        seed: Whole number that makes dropout and drop path repeatable.

    Call:
        patches: (batch, rows, columns, embed_dim) -> same shape.

    Raises:
        ValueError: `order` is unknown, or `shift_size` is no part of the window; the parts raise for their own
            arguments.

    Source: Liu et al., 2021, arXiv 2103.14030; "post_norm" and "cosine": Liu et al., 2022, arXiv 2111.09883.
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        window_size: tuple[int, int],
        *,
        shift_size: tuple[int, int] = (0, 0),
        order: str = "pre_norm",
        similarity: str = "dot",
        pretrained_window_size: int = 0,
        use_qkv_bias: bool = True,
        dropout_rate: float = 0.0,
        attention_dropout_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm_epsilon: float = 1e-5,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if order not in ORDERS:
            raise ValueError(f"SwinEncoder needs order to be one of {ORDERS}; got {order=}.")
        if not all(0 <= shift < window for shift, window in zip(shift_size, window_size, strict=True)):
            raise ValueError(f"SwinEncoder needs 0 <= shift_size < window_size; got {shift_size=}, {window_size=}.")
        self.window_size = (int(window_size[0]), int(window_size[1]))
        self.shift_size = (int(shift_size[0]), int(shift_size[1]))
        self.order = order
        self._arguments = {
            "num_heads": num_heads,
            "mlp_dim": mlp_dim,
            "window_size": self.window_size,
            "shift_size": self.shift_size,
            "order": order,
            "similarity": similarity,
            "pretrained_window_size": pretrained_window_size,
            "use_qkv_bias": use_qkv_bias,
            "dropout_rate": dropout_rate,
            "attention_dropout_rate": attention_dropout_rate,
            "drop_path_rate": drop_path_rate,
            "norm_epsilon": norm_epsilon,
            "seed": seed,
        }
        regularised: dict[str, Any] = {"dropout_rate": dropout_rate, "seed": seed, "dtype": self.dtype_policy}
        self.attention_norm = self._make_norm("attention_norm", norm_epsilon)
        self.attention = WindowAttention(
            num_heads,
            self.window_size,
            similarity=similarity,
            pretrained_window_size=pretrained_window_size,
            use_qkv_bias=use_qkv_bias,
            attention_dropout_rate=attention_dropout_rate,
            name="attention",
            **regularised,
        )
        self.mlp_norm = self._make_norm("mlp_norm", norm_epsilon)
        self.mlp = MLP(mlp_dim, name="mlp", **regularised)
        if drop_path_rate:
            self.drop_path = DropPath(drop_path_rate, seed=seed, name="drop_path", dtype=self.dtype_policy)

    def call(self, patches: Any, training: bool | None = None) -> Any:
        return self._run(patches, functools.partial(self._attend, training=training), training=training)

    def attention_scores(self, patches: Any) -> Any:
        """Returns this layer's attention weights, (batch, num_heads, num_windows, window_tokens, window_tokens).

        Windows lie on the grid that `shift_patches` has rolled by `effective_shift` and `pad_to_windows` filled up.
        """
        patches = ops.cast(patches, self.compute_dtype)
        windows, hidden, _, grid_size = self._cut(self._before_attention(patches))
        scores = self.attention.attention_scores(windows, hidden)
        _, num_heads, num_tokens, _ = ops.shape(scores)
        num_windows = (grid_size[0] // self.window_size[0]) * (grid_size[1] // self.window_size[1])
        by_image = ops.reshape(scores, (-1, num_windows, num_heads, num_tokens, num_tokens))
        return ops.transpose(by_image, (0, 2, 1, 3, 4))

    def _make_norm(self, name: str, epsilon: float) -> keras.layers.Layer:
        gamma = "ones" if self.order == "pre_norm" else "zeros"
        return LayerNormalization(epsilon=epsilon, gamma_initializer=gamma, name=name, dtype=self.dtype_policy)

    def _attend(self, patches: Any, training: bool | None, prologue: Prologue | None = None) -> Any:
        patches = apply(prologue, patches)  # to cut windows twice takes 3 to 5 % of a training step
        _, rows, columns, _ = ops.shape(patches)
        windows, hidden, shift, grid_size = self._cut(patches)
        mixed = self.attention(windows, hidden, training=training)
        merged = merge_windows(mixed, self.window_size, grid_size)[:, :rows, :columns]
        return shift_patches(merged, shift, back=True)

    def _cut(self, patches: Any) -> tuple[Any, Any, tuple[Any, Any], tuple[Any, Any]]:
        """Returns windows, what hides parts of them from one another, the shift, and the size of the padded grid."""
        _, rows, columns, _ = ops.shape(patches)
        shift = (0, 0)
        if any(self.shift_size):
            shift = effective_shift((rows, columns), self.window_size, self.shift_size)
        padded = pad_to_windows(shift_patches(patches, shift), self.window_size)
        _, rows, columns, _ = ops.shape(padded)
        hidden = shift_mask((rows, columns), self.window_size, shift)
        if hidden is not None:
            hidden = ops.convert_to_tensor(hidden, self.compute_dtype)
        return partition_windows(padded, self.window_size), hidden, shift, (rows, columns)
