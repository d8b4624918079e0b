"""Window attention: self-attention inside windows, which learns what the offset between two patches means."""

import math
from typing import Any

import keras
from keras import ops

from keras_vit.layers.continuous_position_bias import ContinuousPositionBias
from keras_vit.layers.dense import Dense
from keras_vit.layers.dot_product_attention import attention_weights, gather
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.relative_positions import RelativePositionBias

SIMILARITIES = ("dot", "cosine")
_MAX_LOG_SCALE = math.log(100.0)


@keras.saving.register_keras_serializable(package="keras_vit")
class WindowAttention(Layer):
    """Lets each patch gather values from the patches of its window, weighted by likeness and by where they are.

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the tokens.
        window_size: Rows and columns of a window, > 0.
        similarity: "dot" (scaled product of query and key, and a table with a bias for each offset) or "cosine" (of the
            angle between them, times a learned scale, and a bias that a small network makes from the offset).
        pretrained_window_size: Of "cosine": rows and columns of the window that the network was trained with; 0 means
            this one's.
        use_qkv_bias: Whether queries, keys and values have a bias; keys have none with "cosine".
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        dropout_rate: Share of output values dropped while training, 0 <= rate < 1.
        seed: Whole number that makes dropout repeatable.

    Call:
        windows: (batch * num_windows, window_tokens, embed_dim) -> same shape.
        hidden: (num_windows, window_tokens, window_tokens), added to the logits, as `shift_mask` makes it; or None.

    Raises:
        ValueError: `num_heads` is not positive or does not divide the width, or `similarity` is unknown.

    Source: Liu et al., 2021, arXiv 2103.14030 ("dot"); Liu et al., 2022, arXiv 2111.09883 ("cosine").
    """

    def __init__(
        self,
        num_heads: int,
        window_size: tuple[int, int],
        *,
        similarity: str = "dot",
        pretrained_window_size: int = 0,
        use_qkv_bias: bool = True,
        attention_dropout_rate: float = 0.0,
        dropout_rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"WindowAttention needs num_heads >= 1; got {num_heads=}.")
        if similarity not in SIMILARITIES:
            raise ValueError(f"WindowAttention needs similarity to be one of {SIMILARITIES}; got {similarity=}.")
        self.num_heads = num_heads
        self.window_size = (int(window_size[0]), int(window_size[1]))
        self.similarity = similarity
        self.pretrained_window_size = pretrained_window_size
        self.use_qkv_bias = use_qkv_bias
        self.attention_dropout_rate = attention_dropout_rate
        self.dropout_rate = dropout_rate
        self.seed = seed
        self.attention_dropout = self._make_dropout("attention_dropout", attention_dropout_rate)
        self.dropout = self._make_dropout("dropout", dropout_rate)

    def build(self, windows_shape: Any, hidden_shape: Any = None) -> None:
        embed_dim = windows_shape[-1]
        if embed_dim % self.num_heads:
            raise ValueError(
                f"WindowAttention needs num_heads that divides the width; got num_heads={self.num_heads}, {embed_dim=}."
            )
        self.head_dim = embed_dim // self.num_heads
        is_cosine = self.similarity == "cosine"
        dense = {"kernel_initializer": glorot_uniform(), "dtype": self.dtype_policy}
        self.qkv = Dense(3 * embed_dim, use_bias=self.use_qkv_bias and not is_cosine, name="qkv", **dense)
        self.projection = Dense(embed_dim, name="projection", **dense)
        self.qkv.build((None, None, embed_dim))
        self.projection.build((None, None, embed_dim))
        bias = {"name": "position_bias", "dtype": self.dtype_policy}
        self.position_bias: Any
        if is_cosine:
            self.position_bias = ContinuousPositionBias(
                self.num_heads, self.window_size, pretrained_window_size=self.pretrained_window_size, **bias
            )
            self._add_cosine_weights(embed_dim)
        else:
            self.position_bias = RelativePositionBias(self.num_heads, self.window_size, **bias)
        self.position_bias.build()

    def call(self, windows: Any, hidden: Any = None, training: bool | None = None) -> Any:
        queries, keys, values = self._project(windows)
        bias = self._bias(windows, hidden)
        mixed = gather(queries, keys, values, bias=bias, dropout=self.attention_dropout, training=training)
        tokens = self.projection(ops.reshape(mixed, (-1, ops.shape(windows)[1], windows.shape[-1])))
        return tokens if self.dropout is None else self.dropout(tokens, training=training)

    def attention_scores(self, windows: Any, hidden: Any = None) -> Any:
        """Returns the attention weights, (batch * num_windows, num_heads, window_tokens, window_tokens)."""
        windows = ops.cast(windows, self.compute_dtype)
        queries, keys, _ = self._project(windows)
        return attention_weights(queries, keys, self._bias(windows, hidden))

    def compute_output_shape(self, windows_shape: Any, hidden_shape: Any = None) -> Any:
        return windows_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window_size": self.window_size,
            "similarity": self.similarity,
            "pretrained_window_size": self.pretrained_window_size,
            "use_qkv_bias": self.use_qkv_bias,
            "attention_dropout_rate": self.attention_dropout_rate,
            "dropout_rate": self.dropout_rate,
            "seed": self.seed,
        }

    def _make_dropout(self, name: str, rate: float) -> keras.layers.Layer | None:
        if not rate:
            return None
        return keras.layers.Dropout(rate, seed=self.seed, name=name, dtype=self.dtype_policy)

    def _add_cosine_weights(self, embed_dim: int) -> None:
        self.log_scale = self.add_weight(
            name="log_scale",
            shape=(self.num_heads, 1, 1),
            initializer=keras.initializers.Constant(math.log(10.0)),
            autocast=False,
        )
        # A bias of keys would change angles, and published weights have none.
        self.query_bias = self.value_bias = None
        if self.use_qkv_bias:
            self.query_bias, self.value_bias = (
                self.add_weight(name=name, shape=(embed_dim,), initializer="zeros")
                for name in ("query_bias", "value_bias")
            )

    def _project(self, windows: Any) -> tuple[Any, Any, Any]:
        """Returns queries, keys and values, each (batch * num_windows, window_tokens, num_heads, head_dim)."""
        shape = (-1, ops.shape(windows)[1], self.num_heads, self.head_dim)
        queries, keys, values = ops.split(self.qkv(windows), 3, axis=-1)
        is_cosine = self.similarity == "cosine"
        if is_cosine and self.use_qkv_bias:
            queries, values = queries + self.query_bias, values + self.value_bias
        queries, keys, values = (ops.reshape(part, shape) for part in (queries, keys, values))
        if is_cosine:
            scale = ops.exp(ops.minimum(ops.convert_to_tensor(self.log_scale), _MAX_LOG_SCALE))
            scale = scale * self.head_dim**0.5  # attention divides by this root
            queries, keys = _unit_length(queries, ops.reshape(scale, (self.num_heads, 1))), _unit_length(keys, 1.0)
        return queries, keys, values

    def _bias(self, windows: Any, hidden: Any) -> Any:
        """Returns what is added to logits: (1, ...) where it is the same in every window, else one for each."""
        bias = self.position_bias.bias()[None]
        if hidden is None:
            return bias
        bias = bias + ops.cast(hidden, bias.dtype)[:, None]
        num_windows, *sizes = ops.shape(bias)
        num_images = ops.shape(windows)[0] // num_windows
        # Not by a fifth axis: PyTorch's fused kernel takes four, and is twice as fast with these copies as without it.
        return ops.reshape(ops.broadcast_to(bias[None], (num_images, num_windows, *sizes)), (-1, *sizes))


def _unit_length(vectors: Any, length: Any) -> Any:
    """Returns vectors of one length and the same direction; padding, which is zero, stays zero and has no gradient."""
    wide = ops.cast(vectors, keras.backend.result_type(vectors.dtype, "float32"))
    squares = ops.maximum(ops.sum(ops.square(wide), axis=-1, keepdims=True), 1e-24)
    return ops.cast(wide * (length * ops.rsqrt(squares)), vectors.dtype)
