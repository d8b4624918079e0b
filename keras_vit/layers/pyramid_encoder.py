"""One encoder layer of a pyramid transformer: attention over a reduced grid, feed-forward part with neighbours."""

import functools
from typing import Any

import keras

from keras_vit.layers.conv_mlp import ConvMLP
from keras_vit.layers.drop_path import DropPath
from keras_vit.layers.normalization import make_norm
from keras_vit.layers.residual_encoder import ResidualEncoder
from keras_vit.layers.spatial_reduction_attention import SpatialReductionAttention


@keras.saving.register_keras_serializable(package="keras_vit")
class PyramidEncoder(ResidualEncoder):
    """Adds attention and a feed-forward part to a grid of patches.

        patches + drop_path(attention(norm(patches))), then the same with mlp

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the patches.
        mlp_dim: Width inside the feed-forward part, channels, > 0.
        reduction_size: Rows and columns of patches that become one key and value, > 0.
        use_pooling: Whether keys and values come from 7 x 7 means instead, and the feed-forward part has a ReLU before
            its convolution (linear spatial reduction).
        activation: "gelu" (exact), "gelu_tanh", "quick_gelu" or "silu".
        use_qkv_bias: Whether queries, keys and values have a bias.
        dropout_rate: Share of values dropped after dense layers while training, 0 <= rate < 1.
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        drop_path_rate: Share of samples that skip a branch while training, 0 <= rate < 1.
        norm_epsilon: Added to the variance in the norms before the branches, > 0.
        reduction_norm_epsilon: The same in the norm of the reduced grid, > 0.
        seed: Whole number that makes dropout and drop path repeatable.

    Call:
        patches: (batch, rows, columns, embed_dim) -> same shape.

    Raises:
        ValueError: The parts raise for their own arguments.

    Source: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", 2022, arXiv 2106.13797; Xie et
        al., "SegFormer", 2021, arXiv 2105.15203.
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        *,
        reduction_size: int = 1,
        use_pooling: bool = False,
        activation: str = "gelu",
        use_qkv_bias: bool = True,
        dropout_rate: float = 0.0,
        attention_dropout_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm_epsilon: float = 1e-6,
        reduction_norm_epsilon: float = 1e-5,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._arguments = {
            "num_heads": num_heads,
            "mlp_dim": mlp_dim,
            "reduction_size": reduction_size,
            "use_pooling": use_pooling,
            "activation": activation,
            "use_qkv_bias": use_qkv_bias,
            "dropout_rate": dropout_rate,
            "attention_dropout_rate": attention_dropout_rate,
            "drop_path_rate": drop_path_rate,
            "norm_epsilon": norm_epsilon,
            "reduction_norm_epsilon": reduction_norm_epsilon,
            "seed": seed,
        }
        policy = {"dtype": self.dtype_policy}
        self.attention_norm = make_norm("layer_norm", norm_epsilon, name="attention_norm", **policy)
        self.attention = SpatialReductionAttention(
            num_heads,
            reduction_size,
            use_pooling=use_pooling,
            use_qkv_bias=use_qkv_bias,
            attention_dropout_rate=attention_dropout_rate,
            dropout_rate=dropout_rate,
            norm_epsilon=reduction_norm_epsilon,
            seed=seed,
            name="attention",
            **policy,
        )
        self.mlp_norm = make_norm("layer_norm", norm_epsilon, name="mlp_norm", **policy)
        self.mlp = ConvMLP(
            mlp_dim,
            activation=activation,
            use_relu=use_pooling,
            dropout_rate=dropout_rate,
            seed=seed,
            name="mlp",
            **policy,
        )
        if drop_path_rate:
            self.drop_path = DropPath(drop_path_rate, seed=seed, name="drop_path", **policy)

    def call(self, patches: Any, training: bool | None = None) -> Any:
        return self._run(patches, functools.partial(self.attention, training=training), training=training)

    def attention_scores(self, patches: Any) -> Any:
        """Returns this layer's attention weights for its input patches, (batch, num_heads, num_queries, num_keys)."""
        return self.attention.attention_scores(self.attention_norm(patches))
