"""SwiGLU: a gated feed-forward part, used by DINOv2 giants and others."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.feed_forward import FeedForward


@keras.saving.register_keras_serializable(package="keras_vit")
class SwiGLU(FeedForward):
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

    num_branches = 2  # one product for both: channels are the gate first, then the linear branch

    def _activate(self, expanded: Any, training: bool | None = None) -> Any:
        gates, values = ops.split(expanded, 2, axis=-1)
        return ops.silu(gates) * values
