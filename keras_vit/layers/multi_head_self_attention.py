"""Multi-head self-attention with one fused projection for queries, keys and values."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.dot_product_attention import attention_weights, gather
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm, require_norm
from keras_vit.layers.recomputation import Prologue, project
from keras_vit.layers.relative_positions import RelativePositionBias


@keras.saving.register_keras_serializable(package="keras_vit")
class MultiHeadSelfAttention(Layer):
    """Lets each token gather values from all tokens, weighted by how well its query matches their keys.

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the tokens.
        use_qkv_bias: Whether queries, keys and values have a bias.
        use_key_bias: Whether keys have one, too, where `use_qkv_bias` is True.
        use_projection_bias: Whether the projection of the gathered values has a bias.
        use_qk_norm: Whether queries and keys are normalised per head, with learned scale and offset.
        use_sub_norm: Whether gathered values are normalised before their projection.
        bias_grid: Rows and columns of patches, after one class token, that have a learned bias for each offset between
            two of them; None means no such bias, and any number of tokens.
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        dropout_rate: Share of output values dropped while training, 0 <= rate < 1.
        norm: Kind of these norms, "layer_norm" or "rms_norm".
        norm_epsilon: Added to the variance in these norms, > 0.
        seed: Whole number that makes dropout repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.

    Raises:
        ValueError: `num_heads` is not positive or does not divide the width, or `norm` is unknown.

    Source: Vaswani et al., 2017, arXiv 1706.03762; query and key norms: Dehghani et al., 2023, arXiv 2302.05442;
        norm before the projection: Wang et al., 2022, arXiv 2210.06423 (BEiT-3); bias of offsets, and keys without a
        bias: Bao et al., 2022, arXiv 2106.08254 (BEiT).
    """

    def __init__(
        self,
        num_heads: int,
        *,
        use_qkv_bias: bool = True,
        use_key_bias: bool = True,
        use_projection_bias: bool = True,
        use_qk_norm: bool = False,
        use_sub_norm: bool = False,
        bias_grid: tuple[int, int] | None = None,
        attention_dropout_rate: float = 0.0,
        dropout_rate: float = 0.0,
        norm: str = "layer_norm",
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"MultiHeadSelfAttention needs num_heads >= 1; got {num_heads=}.")
        require_norm("MultiHeadSelfAttention", norm)
        self.num_heads = num_heads
        self.use_qkv_bias = use_qkv_bias
        self.use_key_bias = use_key_bias
        self.use_projection_bias = use_projection_bias
        self.use_qk_norm = use_qk_norm
        self.use_sub_norm = use_sub_norm
        self.bias_grid = None if bias_grid is None else (int(bias_grid[0]), int(bias_grid[1]))
        self.attention_dropout_rate = attention_dropout_rate
        self.dropout_rate = dropout_rate
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.seed = seed
        self.attention_dropout = (
            keras.layers.Dropout(attention_dropout_rate, seed=seed, name="attention_dropout", dtype=self.dtype_policy)
            if attention_dropout_rate
            else None
        )
        self.dropout = (
            keras.layers.Dropout(dropout_rate, seed=seed, name="dropout", dtype=self.dtype_policy)
            if dropout_rate
            else None
        )

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        if embed_dim % self.num_heads:
            raise ValueError(
                f"MultiHeadSelfAttention needs num_heads that divides the width; got num_heads={self.num_heads}, "
                f"{embed_dim=}."
            )
        self.head_dim = embed_dim // self.num_heads
        dense = {"kernel_initializer": glorot_uniform(), "dtype": self.dtype_policy}
        is_fused = self.use_qkv_bias and self.use_key_bias
        self.qkv = Dense(3 * embed_dim, use_bias=is_fused, name="qkv", **dense)
        self.projection = Dense(embed_dim, use_bias=self.use_projection_bias, name="projection", **dense)
        self.qkv.build(input_shape)
        self.projection.build(input_shape)
        self.query_bias = self.value_bias = self.position_bias = None
        if self.use_qkv_bias and not self.use_key_bias:
            self.query_bias, self.value_bias = (
                self.add_weight(name=name, shape=(embed_dim,), initializer="zeros")
                for name in ("query_bias", "value_bias")
            )
        if self.bias_grid is not None:
            self.position_bias = RelativePositionBias(
                self.num_heads, self.bias_grid, use_class_token=True, name="position_bias", dtype=self.dtype_policy
            )
            self.position_bias.build()
        if self.use_qk_norm:
            self.query_norm = self._make_norm("query_norm", (None, None, None, self.head_dim))
            self.key_norm = self._make_norm("key_norm", (None, None, None, self.head_dim))
        if self.use_sub_norm:
            self.sub_norm = self._make_norm("sub_norm", input_shape)

    def call(self, tokens: Any, training: bool | None = None, prologue: Prologue | None = None) -> Any:
        queries, keys, values = self._project(tokens, prologue)
        bias = None if self.position_bias is None else self.position_bias.bias()[None]
        return self._finish(self._gather(queries, keys, values, bias=bias, training=training), training)

    def attend_by_size(self, tokens: Any, log_sizes: Any) -> tuple[Any, Any]:
        """Returns what the layer does at inference where a token stands for several patches, and the heads' mean keys.

        Each key counts as often as its token has patches: the logarithm of that number, (batch, num_tokens), is added
        to its logits.
        """
        queries, keys, values = self._project(tokens)
        bias = ops.cast(log_sizes, self.compute_dtype)[:, None, None, :]
        return self._finish(self._gather(queries, keys, values, bias=bias)), ops.mean(keys, axis=2)

    def attention_scores(self, tokens: Any) -> Any:
        """Returns the attention weights, float32 (batch, num_heads, num_tokens, num_tokens); each row sums to one."""
        queries, keys, _ = self._project(ops.cast(tokens, self.compute_dtype))
        bias = None if self.position_bias is None else self.position_bias.bias()[None]
        return attention_weights(queries, keys, bias)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "use_qkv_bias": self.use_qkv_bias,
            "use_key_bias": self.use_key_bias,
            "use_projection_bias": self.use_projection_bias,
            "use_qk_norm": self.use_qk_norm,
            "use_sub_norm": self.use_sub_norm,
            "bias_grid": self.bias_grid,
            "attention_dropout_rate": self.attention_dropout_rate,
            "dropout_rate": self.dropout_rate,
            "norm": self.norm,
            "norm_epsilon": self.norm_epsilon,
            "seed": self.seed,
        }

    def _make_norm(self, name: str, shape: Any) -> Any:
        norm = make_norm(self.norm, self.norm_epsilon, name=name, dtype=self.dtype_policy)
        norm.build(shape)
        return norm

    def _project(self, tokens: Any, prologue: Prologue | None = None) -> tuple[Any, Any, Any]:
        """Returns queries, keys and values, each (batch, num_tokens, num_heads, head_dim)."""
        qkv = project(self.qkv, tokens, prologue)
        shape = (-1, ops.shape(qkv)[1], self.num_heads, self.head_dim)
        # Split before reshaping: the gradient of slices of a 5-D array cost 15 % of a training step on TensorFlow.
        queries, keys, values = ops.split(qkv, 3, axis=-1)
        if self.query_bias is not None:
            queries = ops.add(queries, ops.cast(self.query_bias, queries.dtype))
            values = ops.add(values, ops.cast(self.value_bias, values.dtype))
        queries, keys, values = (ops.reshape(part, shape) for part in (queries, keys, values))
        if self.use_qk_norm:
            queries, keys = self.query_norm(queries), self.key_norm(keys)
        return queries, keys, values

    def _gather(self, queries: Any, keys: Any, values: Any, bias: Any = None, training: bool | None = None) -> Any:
        """Returns the values that each token gathers, (batch, num_tokens, num_heads, head_dim)."""
        return gather(queries, keys, values, bias=bias, dropout=self.attention_dropout, training=training)

    def _finish(self, mixed: Any, training: bool | None = None) -> Any:
        """Joins the heads and projects what they gathered."""
        mixed = ops.reshape(mixed, (-1, ops.shape(mixed)[1], self.num_heads * self.head_dim))
        tokens = self.projection(self.sub_norm(mixed) if self.use_sub_norm else mixed)
        return tokens if self.dropout is None else self.dropout(tokens, training=training)
