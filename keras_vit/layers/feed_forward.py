"""What the feed-forward parts of encoder layers share: widen, do something per kind, narrow."""

from typing import Any

import keras

from keras_vit.layers.dense import Dense
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm, require_norm
from keras_vit.layers.recomputation import Prologue, project, recompute, recomputes


class FeedForward(Layer):
    """Base of `MLP` and `SwiGLU`: two dense layers, applied to each token alone; a subclass provides `_activate`.

    Args:
        mlp_dim: Width between the two dense layers, channels, > 0.
        use_bias: Whether the dense layers have a bias.
        sub_norm: Norm before the second dense layer, "layer_norm" or "rms_norm"; None leaves it out.
        norm_epsilon: Added to the variance in that norm, > 0.
        dropout_rate: Share of values dropped before the second dense layer and after it while training,
            0 <= rate < 1.
        seed: Whole number that makes dropout repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.

    Raises:
        ValueError: `mlp_dim` is not positive or `sub_norm` is unknown.
    """

    num_branches = 1  # how many times `mlp_dim` the first dense layer is wide

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
        who = type(self).__name__
        if mlp_dim < 1:
            raise ValueError(f"{who} needs mlp_dim >= 1; got {mlp_dim=}.")
        if sub_norm is not None:
            require_norm(who, sub_norm, name="sub_norm")
        self.mlp_dim = mlp_dim
        self.use_bias = use_bias
        self.sub_norm = sub_norm
        self.norm_epsilon = norm_epsilon
        self.dropout_rate = dropout_rate
        self.seed = seed
        policy = {"dtype": self.dtype_policy}
        self.norm = make_norm(sub_norm, norm_epsilon, name="norm", **policy) if sub_norm else None
        self.dropout = keras.layers.Dropout(dropout_rate, seed=seed, name="dropout", **policy) if dropout_rate else None

    def _activate(self, expanded: Any, training: bool | None = None) -> Any:
        """Turns what the first dense layer returns into tokens of `mlp_dim` channels."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        dense = {"use_bias": self.use_bias, "kernel_initializer": glorot_uniform(), "dtype": self.dtype_policy}
        self.expand = Dense(self.num_branches * self.mlp_dim, name="expand", **dense)
        self.contract = Dense(input_shape[-1], name="contract", **dense)
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.mlp_dim))
        if self.norm is not None:
            self.norm.build((*input_shape[:-1], self.mlp_dim))

    def call(self, tokens: Any, training: bool | None = None, prologue: Prologue | None = None) -> Any:
        expanded = project(self.expand, tokens, prologue)
        if training and self.dropout is None and recomputes():
            return recompute(lambda expanded: self._narrow(expanded, training), expanded, layers=[self])
        return self._narrow(expanded, training)

    def _narrow(self, expanded: Any, training: bool | None) -> Any:
        tokens = self._activate(expanded, training)
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
