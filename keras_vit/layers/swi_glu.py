"""SwiGLU: a gated feed-forward part, used by DINOv2 giants and others."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.normalization import make_norm, require_norm


@keras.saving.register_keras_serializable(package="keras_vit")
class SwiGLU(keras.layers.Layer):
    """Multiplies a linear branch by a SiLU-activated gate, then narrows; applied to each token alone.

    Args:
        mlp_dim: Width of gate and linear branch each, channels, > 0.
        use_bias: Whether the dense layers have a bias.
        sub_norm: Norm before the second dense layer, "layer_norm" or "rms_norm"; None leaves it out.
        norm_epsilon: Added to the variance in that norm, > 0.
        dropout_rate: Share of values dropped after the gate and at the end while training, 0 <= rate < 1.
        seed: Whole number that makes dropout repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.

    Raises:
        ValueError: `mlp_dim` is not positive or `sub_norm` is unknown.

    Source: Shazeer, "GLU Variants Improve Transformer", 2020, arXiv 2002.05202.
    """

    def __init__(
        self,
        mlp_dim: int,
        *,
        use_bias: bool = True,
        sub_norm: str | None = None,
        norm_epsilon: float = 1e-6,
        dropout_rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mlp_dim < 1:
            raise ValueError(f"SwiGLU needs mlp_dim >= 1; got {mlp_dim=}.")
        if sub_norm is not None:
            require_norm("SwiGLU", sub_norm, name="sub_norm")
        self.mlp_dim = mlp_dim
        self.use_bias = use_bias
        self.sub_norm = sub_norm
        self.norm_epsilon = norm_epsilon
        self.dropout_rate = dropout_rate
        self.seed = seed
        self.norm = make_norm(sub_norm, norm_epsilon, name="norm", dtype=self.dtype_policy) if sub_norm else None
        self.dropout = (
            keras.layers.Dropout(dropout_rate, seed=seed, name="dropout", dtype=self.dtype_policy)
            if dropout_rate
            else None
        )

    def build(self, input_shape: Any) -> None:
        embed_dim = input_shape[-1]
        dense = {"use_bias": self.use_bias, "kernel_initializer": glorot_uniform(), "dtype": self.dtype_policy}
        # One product for both branches: channels are the gate first, then the linear branch.
        self.expand = Dense(2 * self.mlp_dim, name="expand", **dense)
        self.contract = Dense(embed_dim, name="contract", **dense)
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.mlp_dim))
        if self.norm is not None:
            self.norm.build((*input_shape[:-1], self.mlp_dim))

    def call(self, tokens: Any, training: bool | None = None) -> Any:
        gates, values = ops.split(self.expand(tokens), 2, axis=-1)
        tokens = ops.silu(gates) * values
        if self.dropout is not None:
            tokens = self.dropout(tokens, training=training)
        tokens = self.contract(tokens if self.norm is None else self.norm(tokens))
        return tokens if self.dropout is None else self.dropout(tokens, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mlp_dim": self.mlp_dim,
            "use_bias": self.use_bias,
            "sub_norm": self.sub_norm,
            "norm_epsilon": self.norm_epsilon,
            "dropout_rate": self.dropout_rate,
            "seed": self.seed,
        }
