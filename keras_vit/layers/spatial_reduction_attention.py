"""Attention over a reduced grid: every patch asks, few places answer, so that large grids stay affordable."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.activations import get_activation
from keras_vit.layers.adaptive_mean import adaptive_mean
from keras_vit.layers.dense import Dense
from keras_vit.layers.dot_product_attention import attention_weights, gather
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm
from keras_vit.layers.patch_embedding import PatchEmbedding
from keras_vit.layers.recomputation import Prologue, apply, project

_POOLED_SIZE = 7  # rows and columns of keys


@keras.saving.register_keras_serializable(package="keras_vit")
class SpatialReductionAttention(Layer):
    """Lets each patch gather values from a smaller grid, made of the same patches.

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the patches.
        reduction_size: Rows and columns of patches that a convolution makes one key and value of, > 0; 1 leaves all
            patches as they are. A remainder at the bottom and right is left out.
        use_pooling: Whether keys and values come from 7 x 7 means instead, normalised and activated: attention
            whose cost grows no faster than the number of patches. `reduction_size` says nothing then.
        use_qkv_bias: Whether queries, keys and values have a bias.
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        dropout_rate: Share of output values dropped while training, 0 <= rate < 1.
        norm_epsilon: Added to the variance in the norm of the reduced grid, > 0.
        seed: Whole number that makes dropout repeatable.

    Call:
        patches: (batch, rows, columns, embed_dim) -> same shape.

    Raises:
        ValueError: A number is not positive, `num_heads` does not divide the width, or the grid is smaller than
            `reduction_size`.

    Source: Wang et al., "Pyramid Vision Transformer", 2021, arXiv 2102.12122; pooling: Wang et al., 2022,
        arXiv 2106.13797 (PVT v2, linear spatial reduction).
    """

    def __init__(
        self,
        num_heads: int,
        reduction_size: int = 1,
        *,
        use_pooling: bool = False,
        use_qkv_bias: bool = True,
        attention_dropout_rate: float = 0.0,
        dropout_rate: float = 0.0,
        norm_epsilon: float = 1e-5,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1 or reduction_size < 1:
            raise ValueError(f"SpatialReductionAttention needs numbers >= 1; got {num_heads=}, {reduction_size=}.")
        self.num_heads = num_heads
        self.reduction_size = reduction_size
        self.use_pooling = use_pooling
        self.use_qkv_bias = use_qkv_bias
        self.attention_dropout_rate = attention_dropout_rate
        self.dropout_rate = dropout_rate
        self.norm_epsilon = norm_epsilon
        self.seed = seed
        self.attention_dropout = self._make_dropout("attention_dropout", attention_dropout_rate)
        self.dropout = self._make_dropout("dropout", dropout_rate)
        self._activation = get_activation("gelu")

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        if embed_dim % self.num_heads:
            raise ValueError(
                f"SpatialReductionAttention needs num_heads that divides the width; got num_heads={self.num_heads}, "
                f"{embed_dim=}."
            )
        dense = {"use_bias": self.use_qkv_bias, "kernel_initializer": glorot_uniform(), "dtype": self.dtype_policy}
        self.query = Dense(embed_dim, name="query", **dense)
        self.key_value = Dense(2 * embed_dim, name="key_value", **dense)
        self.projection = Dense(embed_dim, name="projection", **{**dense, "use_bias": True})
        layers = [self.query, self.key_value, self.projection]
        self.reduction: Any = None
        self.reduction_norm: Any = None
        if self.use_pooling or self.reduction_size > 1:
            size = 1 if self.use_pooling else self.reduction_size
            policy = {"dtype": self.dtype_policy}
            self.reduction = PatchEmbedding(size, embed_dim, drop_remainder=True, name="reduction", **policy)
            self.reduction_norm = make_norm("layer_norm", self.norm_epsilon, name="reduction_norm", **policy)
            layers += [self.reduction, self.reduction_norm]
        for layer in layers:
            layer.build((*input_shape[:1], None, None, embed_dim))

    def call(self, patches: Any, training: bool | None = None, prologue: Prologue | None = None) -> Any:
        queries, keys, values = self._project(patches, prologue)
        mixed = gather(queries, keys, values, dropout=self.attention_dropout, training=training)
        gathered = self.projection(ops.reshape(mixed, (-1, *ops.shape(patches)[1:3], patches.shape[-1])))
        return gathered if self.dropout is None else self.dropout(gathered, training=training)

    def attention_scores(self, patches: Any) -> Any:
        """Returns the attention weights, (batch, num_heads, num_queries, num_keys); each row sums to one."""
        queries, keys, _ = self._project(ops.cast(patches, self.compute_dtype))
        return attention_weights(queries, keys)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "reduction_size": self.reduction_size,
            "use_pooling": self.use_pooling,
            "use_qkv_bias": self.use_qkv_bias,
            "attention_dropout_rate": self.attention_dropout_rate,
            "dropout_rate": self.dropout_rate,
            "norm_epsilon": self.norm_epsilon,
            "seed": self.seed,
        }

    def _make_dropout(self, name: str, rate: float) -> keras.layers.Layer | None:
        return keras.layers.Dropout(rate, seed=self.seed, name=name, dtype=self.dtype_policy) if rate else None

    def _project(self, patches: Any, prologue: Prologue | None = None) -> tuple[Any, Any, Any]:
        """Returns queries, keys and values, each (batch, number, num_heads, head_dim)."""
        queries = project(self.query, patches, prologue)
        keys, values = ops.split(self._keys_and_values(patches, prologue), 2, axis=-1)
        return self._as_heads(queries), self._as_heads(keys), self._as_heads(values)

    def _keys_and_values(self, patches: Any, prologue: Prologue | None) -> Any:
        if self.reduction is None:
            return project(self.key_value, patches, prologue)
        if not self.use_pooling:
            return self.key_value(self.reduction_norm(project(self.reduction, patches, prologue)))
        # Gradients of means read nothing of what they are taken of.
        pooled = self.reduction(adaptive_mean(apply(prologue, patches), _POOLED_SIZE))
        return self.key_value(self._activation(self.reduction_norm(pooled)))

    def _as_heads(self, patches: Any) -> Any:
        rows, columns = ops.shape(patches)[1:3]
        return ops.reshape(patches, (-1, rows * columns, self.num_heads, patches.shape[-1] // self.num_heads))
