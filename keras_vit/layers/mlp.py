"""The feed-forward part of an encoder layer: widen, activate, narrow."""

from typing import Any

import keras

from keras_vit.layers.activations import get_activation
from keras_vit.layers.initialization import glorot_uniform


@keras.saving.register_keras_serializable(package="keras_vit")
class MLP(keras.layers.Layer):
    """Two dense layers with an activation between them, applied to each token alone.

    Args:
        mlp_dim: Width between the two dense layers, channels, > 0.
        activation: "gelu" (exact), "gelu_tanh", "quick_gelu" or "silu".
        dropout_rate: Share of values dropped after each dense layer while training, 0 <= rate < 1.
        seed: Whole number that makes dropout repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.

    Raises:
        ValueError: `mlp_dim` is not positive or `activation` is unknown.

    Source: Vaswani et al., "Attention Is All You Need", 2017, arXiv 1706.03762.
    """

    def __init__(
        self,
        mlp_dim: int,
        *,
        activation: str = "gelu",
        dropout_rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mlp_dim < 1:
            raise ValueError(f"MLP needs mlp_dim >= 1; got {mlp_dim=}.")
        self.mlp_dim = mlp_dim
        self.activation = activation
        self.dropout_rate = dropout_rate
        self.seed = seed
        self._activate = get_activation(activation)
        self.dropout = (
            keras.layers.Dropout(dropout_rate, seed=seed, name="dropout", dtype=self.dtype_policy)
            if dropout_rate
            else None
        )

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        dense = {"kernel_initializer": glorot_uniform(), "dtype": self.dtype_policy}
        self.expand = keras.layers.Dense(self.mlp_dim, name="expand", **dense)
        self.contract = keras.layers.Dense(embed_dim, name="contract", **dense)
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.mlp_dim))

    def call(self, tokens: Any, training: bool | None = None) -> Any:
        tokens = self._activate(self.expand(tokens))
        if self.dropout is None:
            return self.contract(tokens)
        tokens = self.contract(self.dropout(tokens, training=training))
        return self.dropout(tokens, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mlp_dim": self.mlp_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "seed": self.seed,
        }
