"""Self-attention that turns queries and keys by the positions of their tokens."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.dot_product_attention import attention_weights, gather
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm, require_norm
from keras_vit.layers.recomputation import Prologue, project
from keras_vit.layers.rotary_positions import PAIRINGS, rotate


@keras.saving.register_keras_serializable(package="keras_vit")
class RotarySelfAttention(Layer):
    """Multi-head self-attention in which positions turn queries and keys, and several heads may share their keys.

    Queries, keys and values come from one kernel, "qkv"; where heads share keys and values, from two, "query" and
    "key_value".

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the tokens.
        num_key_value_heads: Number of heads that have keys and values of their own; must divide `num_heads`. None
            means all of them.
        pairing: Which channels are turned together: "neighbours" or "halves", as in `rotary_positions.rotate`.
        use_qkv_bias: Whether queries and values have a bias.
        use_key_bias: Whether keys have one too; only with `use_qkv_bias`.
        use_qk_norm: Whether queries and keys are normalised per head, before they are turned.
        use_sub_norm: Whether gathered values are normalised before their projection.
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        dropout_rate: Share of output values dropped while training, 0 <= rate < 1.
        norm: Kind of these norms, "layer_norm" or "rms_norm".
        norm_epsilon: Added to the variance in these norms, > 0.
        seed: Whole number that makes dropout repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.
        rotations: (num_tokens, 1 or num_heads, head_dim), cosines and sines; None turns nothing.

    Raises:
        ValueError: Numbers of heads do not divide what they must, `pairing` or `norm` is unknown, or keys alone would
            have a bias.

    Source: Su et al., 2021, arXiv 2104.09864; shared keys: Ainslie et al., "GQA", 2023, arXiv 2305.13245.
    """

    def __init__(
        self,
        num_heads: int,
        *,
        num_key_value_heads: int | None = None,
        pairing: str = "neighbours",
        use_qkv_bias: bool = True,
        use_key_bias: bool = True,
        use_qk_norm: bool = False,
        use_sub_norm: bool = False,
        attention_dropout_rate: float = 0.0,
        dropout_rate: float = 0.0,
        norm: str = "layer_norm",
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Angles stay float32 under half precision.
        super().__init__(**{"autocast": False, **kwargs})
        if num_heads < 1:
            raise ValueError(f"RotarySelfAttention needs num_heads >= 1; got {num_heads=}.")
        if num_key_value_heads is not None and (num_key_value_heads < 1 or num_heads % num_key_value_heads):
            raise ValueError(
                f"RotarySelfAttention needs num_key_value_heads that divides {num_heads=}; got {num_key_value_heads=}."
            )
        if pairing not in PAIRINGS:
            raise ValueError(f"RotarySelfAttention needs pairing to be one of {PAIRINGS}; got {pairing=}.")
        if use_key_bias and not use_qkv_bias:
            raise ValueError("RotarySelfAttention needs use_qkv_bias=True with use_key_bias=True; got False.")
        require_norm("RotarySelfAttention", norm)
        self.num_heads = num_heads
        self.num_key_value_heads = num_key_value_heads
        self.pairing = pairing
        self.use_qkv_bias = use_qkv_bias
        self.use_key_bias = use_key_bias
        self.use_qk_norm = use_qk_norm
        self.use_sub_norm = use_sub_norm
        self.attention_dropout_rate = attention_dropout_rate
        self.dropout_rate = dropout_rate
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.seed = seed
        self.attention_dropout = self._make_dropout(attention_dropout_rate, "attention_dropout")
        self.dropout = self._make_dropout(dropout_rate, "dropout")

    @property
    def num_groups(self) -> int:
        """How many heads share keys and values."""
        return self.num_heads // (self.num_key_value_heads or self.num_heads)

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        if embed_dim % self.num_heads:
            raise ValueError(
                f"RotarySelfAttention needs num_heads that divides the width; got num_heads={self.num_heads}, "
                f"{embed_dim=}."
            )
        self.head_dim = embed_dim // self.num_heads
        has_bias = self.use_qkv_bias and self.use_key_bias
        self.qkv: Dense | None = None
        self.query_bias = self.value_bias = None
        if self.num_groups == 1:
            self.qkv = self._make_dense(3 * embed_dim, input_shape, name="qkv", use_bias=has_bias)
        else:
            self.query = self._make_dense(embed_dim, input_shape, name="query", use_bias=has_bias)
            width = 2 * embed_dim // self.num_groups
            self.key_value = self._make_dense(width, input_shape, name="key_value", use_bias=has_bias)
        if self.use_qkv_bias and not self.use_key_bias:
            self.query_bias = self.add_weight(name="query_bias", shape=(embed_dim,), initializer="zeros")
            width = embed_dim // self.num_groups
            self.value_bias = self.add_weight(name="value_bias", shape=(width,), initializer="zeros")
        self.projection = self._make_dense(embed_dim, input_shape, name="projection", use_bias=True)
        head_shape = (None, None, None, self.head_dim)
        self.query_norm = self._make_norm("query_norm", head_shape) if self.use_qk_norm else None
        self.key_norm = self._make_norm("key_norm", head_shape) if self.use_qk_norm else None
        self.sub_norm = self._make_norm("sub_norm", input_shape) if self.use_sub_norm else None

    def call(
        self, tokens: Any, rotations: Any = None, training: bool | None = None, prologue: Prologue | None = None
    ) -> Any:
        queries, keys, values = self._project(tokens, rotations, prologue)
        mixed = gather(queries, keys, values, dropout=self.attention_dropout, training=training)
        mixed = ops.reshape(mixed, (-1, ops.shape(mixed)[1], self.num_heads * self.head_dim))
        outputs = self.projection(mixed if self.sub_norm is None else self.sub_norm(mixed))
        return outputs if self.dropout is None else self.dropout(outputs, training=training)

    def attention_scores(self, tokens: Any, rotations: Any = None) -> Any:
        """Returns the attention weights, float32 (batch, num_heads, num_tokens, num_tokens); each row sums to one."""
        queries, keys, _ = self._project(tokens, rotations)
        return attention_weights(queries, keys)

    def compute_output_shape(self, tokens_shape: Any, rotations_shape: Any = None) -> Any:
        return tokens_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "pairing": self.pairing,
            "use_qkv_bias": self.use_qkv_bias,
            "use_key_bias": self.use_key_bias,
            "use_qk_norm": self.use_qk_norm,
            "use_sub_norm": self.use_sub_norm,
            "attention_dropout_rate": self.attention_dropout_rate,
            "dropout_rate": self.dropout_rate,
            "norm": self.norm,
            "norm_epsilon": self.norm_epsilon,
            "seed": self.seed,
        }

    def _project(self, tokens: Any, rotations: Any, prologue: Prologue | None = None) -> tuple[Any, Any, Any]:
        """Returns queries, keys and values, each (batch, num_tokens, num_heads, head_dim)."""
        queries, keys, values = self._split(ops.cast(tokens, self.compute_dtype), prologue)
        if self.query_bias is not None and self.value_bias is not None:
            queries = ops.add(queries, ops.cast(self.query_bias, queries.dtype))
            values = ops.add(values, ops.cast(self.value_bias, values.dtype))
        num_tokens = ops.shape(tokens)[1]
        queries, keys, values = (
            ops.reshape(part, (-1, num_tokens, part.shape[-1] // self.head_dim, self.head_dim))
            for part in (queries, keys, values)
        )
        if self.query_norm is not None and self.key_norm is not None:
            queries, keys = self.query_norm(queries), self.key_norm(keys)
        if rotations is not None:
            queries, keys = (rotate(part, rotations, self.pairing) for part in (queries, keys))
        if self.num_groups > 1:
            keys, values = (ops.repeat(part, self.num_groups, axis=2) for part in (keys, values))
        return queries, keys, values

    def _split(self, tokens: Any, prologue: Prologue | None) -> list[Any]:
        if self.qkv is not None:
            return list(ops.split(project(self.qkv, tokens, prologue), 3, axis=-1))
        queries, key_value = (project(dense, tokens, prologue) for dense in (self.query, self.key_value))
        return [queries, *ops.split(key_value, 2, axis=-1)]

    def _make_dense(self, width: int, input_shape: Any, *, name: str, use_bias: bool) -> Dense:
        dense = Dense(width, use_bias=use_bias, kernel_initializer=glorot_uniform(), name=name, dtype=self.dtype_policy)
        dense.build(input_shape)
        return dense

    def _make_dropout(self, rate: float, name: str) -> keras.layers.Layer | None:
        if not rate:
            return None
        return keras.layers.Dropout(rate, seed=self.seed, name=name, dtype=self.dtype_policy)

    def _make_norm(self, name: str, shape: Any) -> keras.layers.Layer:
        norm = make_norm(self.norm, self.norm_epsilon, name=name, dtype=self.dtype_policy)
        norm.build(shape)
        return norm
