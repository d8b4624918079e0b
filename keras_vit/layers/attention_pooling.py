"""Attention pooling: a learned query gathers one vector from all tokens."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.initialization import glorot_uniform, normal
from keras_vit.layers.layer import Layer
from keras_vit.layers.mlp import MLP
from keras_vit.layers.normalization import make_norm, require_norm


@keras.saving.register_keras_serializable(package="keras_vit")
class AttentionPooling(Layer):
    """Pools tokens with one learned query, then adds a normalised feed-forward part to the result.

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the tokens.
        mlp_dim: Width inside the feed-forward part, channels, > 0.
        activation: Of the feed-forward part: "gelu" (exact), "gelu_tanh", "quick_gelu" or "silu".
        norm: Kind of the norm, "layer_norm" or "rms_norm".
        norm_epsilon: Added to the variance in the norm, > 0.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> (batch, embed_dim).

    Raises:
        ValueError: `num_heads` does not divide the width, or `norm` is unknown.

    Source: Zhai et al., "Scaling Vision Transformers", 2022, arXiv 2106.04560 (MAP head), as in SigLIP,
        arXiv 2303.15343.
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        *,
        activation: str = "gelu",
        norm: str = "layer_norm",
        norm_epsilon: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_norm("AttentionPooling", norm)
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.activation = activation
        self.norm_kind = norm
        self.norm_epsilon = norm_epsilon
        self.norm = make_norm(norm, norm_epsilon, name="norm", dtype=self.dtype_policy)
        self.mlp = MLP(mlp_dim, activation=activation, name="mlp", dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        if self.num_heads < 1 or embed_dim % self.num_heads:
            raise ValueError(
                f"AttentionPooling needs num_heads that divides the width; got num_heads={self.num_heads}, "
                f"{embed_dim=}."
            )
        self.head_dim = embed_dim // self.num_heads
        # Spread like one token of unit length: zeros would make all heads attend evenly at the start.
        self.latent_initializer = normal(stddev=embed_dim**-0.5)
        self.latent = self.add_weight(name="latent", shape=(1, embed_dim), initializer=self.latent_initializer)
        dense = {"kernel_initializer": glorot_uniform(), "dtype": self.dtype_policy}
        self.query = Dense(embed_dim, name="query", **dense)
        self.key_value = Dense(2 * embed_dim, name="key_value", **dense)
        self.projection = Dense(embed_dim, name="projection", **dense)
        for layer in (self.query, self.key_value, self.projection, self.norm, self.mlp):
            layer.build((None, None, embed_dim))

    def call(self, tokens: Any, training: bool | None = None) -> Any:
        num_tokens, embed_dim = ops.shape(tokens)[1], tokens.shape[-1]
        queries = self.query(ops.convert_to_tensor(self.latent)) * self.head_dim**-0.5
        queries = ops.reshape(queries, (self.num_heads, self.head_dim))
        fused = ops.reshape(self.key_value(tokens), (-1, num_tokens, 2, self.num_heads, self.head_dim))
        keys, values = fused[:, :, 0], fused[:, :, 1]
        logits = ops.einsum("hd,bnhd->bhn", queries, keys)
        wide = ops.cast(logits, keras.backend.result_type(self.compute_dtype, "float32"))  # sums hundreds of weights
        weights = ops.cast(ops.softmax(wide), self.compute_dtype)
        mixed = ops.einsum("bhn,bnhd->bhd", weights, values)
        pooled = self.projection(ops.reshape(mixed, (-1, embed_dim)))
        return pooled + self.mlp(self.norm(pooled), training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "activation": self.activation,
            "norm": self.norm_kind,
            "norm_epsilon": self.norm_epsilon,
        }
