"""The feed-forward part of an encoder layer: widen, activate, narrow."""

from typing import Any

import keras

from keras_vit.layers.activations import activate, get_activation
from keras_vit.layers.feed_forward import FeedForward


@keras.saving.register_keras_serializable(package="keras_vit")
class MLP(FeedForward):
    """Two dense layers with an activation between them, applied to each token alone.

    Args:
        mlp_dim: Width between the two dense layers, channels, > 0.
        activation: "gelu" (exact), "gelu_tanh", "quick_gelu" or "silu".
        use_bias: Whether the dense layers have a bias.
        sub_norm: Norm before the second dense layer, "layer_norm" or "rms_norm"; None leaves it out.
        norm_epsilon: Added to the variance in that norm, > 0.
        dropout_rate: Share of values dropped after each dense layer while training, 0 <= rate < 1.
        seed: Whole number that makes dropout repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.

    Raises:
        ValueError: `mlp_dim` is not positive, or `activation` or `sub_norm` is unknown.

    Source: Vaswani et al., "Attention Is All You Need", 2017, arXiv 1706.03762; the norm inside: Wang et al., 2022,
        arXiv 2210.06423.
    """

    def __init__(
        self,
        mlp_dim: int,
        *,
        activation: str = "gelu",
        use_bias: bool = True,
        sub_norm: str | None = None,
        norm_epsilon: float = 1e-6,
        dropout_rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            mlp_dim,
            use_bias=use_bias,
            sub_norm=sub_norm,
            norm_epsilon=norm_epsilon,
            dropout_rate=dropout_rate,
            seed=seed,
            **kwargs,
        )
        self.activation = activation
        self._activation = get_activation(activation)

    def _activate(self, expanded: Any, training: bool | None = None) -> Any:
        return activate(self._activation, expanded, training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}
