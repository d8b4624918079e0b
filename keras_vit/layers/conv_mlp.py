"""A feed-forward part that looks at neighbours: widen, convolve, activate, narrow."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.activations import activate, get_activation
from keras_vit.layers.depthwise_conv import DepthwiseConv
from keras_vit.layers.feed_forward import FeedForward


@keras.saving.register_keras_serializable(package="keras_vit")
class ConvMLP(FeedForward):
    """Two dense layers with a depthwise convolution and an activation between them.

    Args:
        mlp_dim: Width between the two dense layers, channels, > 0.
        activation: After the convolution: "gelu" (exact), "gelu_tanh", "quick_gelu" or "silu".
        use_relu: Whether negative numbers become zeros before the convolution.
        dropout_rate: Share of values dropped before the second dense layer and after it while training,
            0 <= rate < 1.
        seed: Whole number that makes dropout repeatable.

    Call:
        patches: (batch, rows, columns, embed_dim) -> same shape.

    Raises:
        ValueError: `mlp_dim` is not positive, or `activation` is unknown.

    Source: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", 2022, arXiv 2106.13797; called
        Mix-FFN by Xie et al., 2021, arXiv 2105.15203 (SegFormer).
    """

    def __init__(
        self,
        mlp_dim: int,
        *,
        activation: str = "gelu",
        use_relu: bool = False,
        dropout_rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(mlp_dim, dropout_rate=dropout_rate, seed=seed, **kwargs)
        self.activation = activation
        self.use_relu = use_relu
        self._activation = get_activation(activation)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.depthwise = DepthwiseConv(name="depthwise", dtype=self.dtype_policy)
        self.depthwise.build((*input_shape[:-1], self.mlp_dim))

    def _activate(self, expanded: Any, training: bool | None = None) -> Any:
        convolved = self.depthwise(ops.relu(expanded) if self.use_relu else expanded)
        return activate(self._activation, convolved, training)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("use_bias", "sub_norm", "norm_epsilon"):  # of other kinds of feed-forward parts
            del config[name]
        return {**config, "activation": self.activation, "use_relu": self.use_relu}
