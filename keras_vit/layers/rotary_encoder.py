"""One layer of a transformer encoder whose attention turns queries and keys by the positions of their tokens."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.drop_path import DropPath
from keras_vit.layers.layer_scale import LayerScale
from keras_vit.layers.mlp import MLP
from keras_vit.layers.normalization import make_norm
from keras_vit.layers.residual_encoder import ResidualEncoder, require_branches
from keras_vit.layers.rotary_self_attention import RotarySelfAttention
from keras_vit.layers.swi_glu import SwiGLU

ORDERS = ("pre_norm", "post_norm")


@keras.saving.register_keras_serializable(package="keras_vit")
class RotaryEncoder(ResidualEncoder):
    """Adds attention and a feed-forward part to the tokens, as `TransformerEncoder` does.

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the tokens.
        mlp_dim: Width inside the feed-forward part, channels, > 0.
        num_key_value_heads: Number of heads with keys and values of their own; None means all.
        pairing: Which channels are turned together, "neighbours" or "halves".
        order: "pre_norm", or "post_norm", which normalises what a branch returns.
        mlp: "mlp" (two dense layers with an exact GELU) or "swiglu" (gated).
        use_qkv_bias: Whether queries and values have a bias.
        use_key_bias: Whether keys have one too; only with `use_qkv_bias`.
        use_qk_norm: Whether queries and keys are normalised per head.
        use_attention_sub_norm: Whether gathered values are normalised before the attention's projection.
        use_mlp_sub_norm: Whether values are normalised inside the feed-forward part.
        layer_scale_init: Starting factor of layer scale, > 0; None leaves it out.
        use_mlp_scale: Whether the feed-forward part has layer scale too.
        dropout_rate: Share of values dropped after dense layers while training, 0 <= rate < 1.
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        drop_path_rate: Share of samples that skip a branch while training, 0 <= rate < 1.
        norm: Kind of the norms, "layer_norm" or "rms_norm".
        norm_epsilon: Added to the variance in the norms, > 0.
        seed: Whole number that makes dropout and drop path repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.
        rotations: (num_tokens, 1 or num_heads, head_dim), cosines and sines as of `RotaryPositions`; None turns
            nothing.

    Raises:
        ValueError: `order`, `mlp` or `norm` is unknown, or layer scale meets "post_norm"; the parts raise for their own
            arguments.

    Source: Fang et al., "EVA-02", 2023, arXiv 2303.11331; Siméoni et al., "DINOv3", 2025, arXiv 2508.10104.
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        *,
        num_key_value_heads: int | None = None,
        pairing: str = "neighbours",
        order: str = "pre_norm",
        mlp: str = "mlp",
        use_qkv_bias: bool = True,
        use_key_bias: bool = True,
        use_qk_norm: bool = False,
        use_attention_sub_norm: bool = False,
        use_mlp_sub_norm: bool = False,
        layer_scale_init: float | None = None,
        use_mlp_scale: bool = True,
        dropout_rate: float = 0.0,
        attention_dropout_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm: str = "layer_norm",
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Angles stay float32 under half precision.
        super().__init__(**{"autocast": False, **kwargs})
        require_branches("RotaryEncoder", ORDERS, order=order, mlp=mlp, norm=norm, layer_scale_init=layer_scale_init)
        self._arguments = {
            "num_heads": num_heads,
            "mlp_dim": mlp_dim,
            "num_key_value_heads": num_key_value_heads,
            "pairing": pairing,
            "order": order,
            "mlp": mlp,
            "use_qkv_bias": use_qkv_bias,
            "use_key_bias": use_key_bias,
            "use_qk_norm": use_qk_norm,
            "use_attention_sub_norm": use_attention_sub_norm,
            "use_mlp_sub_norm": use_mlp_sub_norm,
            "layer_scale_init": layer_scale_init,
            "use_mlp_scale": use_mlp_scale,
            "dropout_rate": dropout_rate,
            "attention_dropout_rate": attention_dropout_rate,
            "drop_path_rate": drop_path_rate,
            "norm": norm,
            "norm_epsilon": norm_epsilon,
            "seed": seed,
        }
        self.order = order
        policy = {"dtype": self.dtype_policy}
        regularised: dict[str, Any] = {"dropout_rate": dropout_rate, "seed": seed, **policy}
        self.attention_norm = make_norm(norm, norm_epsilon, name="attention_norm", **policy)
        self.attention = RotarySelfAttention(
            num_heads,
            num_key_value_heads=num_key_value_heads,
            pairing=pairing,
            use_qkv_bias=use_qkv_bias,
            use_key_bias=use_key_bias,
            use_qk_norm=use_qk_norm,
            use_sub_norm=use_attention_sub_norm,
            attention_dropout_rate=attention_dropout_rate,
            norm=norm,
            norm_epsilon=norm_epsilon,
            name="attention",
            **regularised,
        )
        self.mlp_norm = make_norm(norm, norm_epsilon, name="mlp_norm", **policy)
        self.mlp = (SwiGLU if mlp == "swiglu" else MLP)(
            mlp_dim,
            sub_norm=norm if use_mlp_sub_norm else None,
            norm_epsilon=norm_epsilon,
            name="mlp",
            **regularised,
        )
        if layer_scale_init is not None:
            self.attention_scale = LayerScale(layer_scale_init, name="attention_scale", **policy)
            if use_mlp_scale:
                self.mlp_scale = LayerScale(layer_scale_init, name="mlp_scale", **policy)
        if drop_path_rate:
            self.drop_path = DropPath(drop_path_rate, seed=seed, name="drop_path", **policy)

    def build(self, tokens_shape: Any, rotations_shape: Any = None) -> None:
        super().build(tokens_shape)

    def call(self, tokens: Any, rotations: Any = None, training: bool | None = None) -> Any:
        tokens = ops.cast(tokens, self.compute_dtype)

        def attend(tokens: Any, **prologue: Any) -> Any:
            return self.attention(tokens, rotations, training=training, **prologue)

        return self._run(tokens, attend, training=training)

    def attention_scores(self, tokens: Any, rotations: Any = None) -> Any:
        """Returns this layer's attention weights for its inputs, (batch, num_heads, num_tokens, num_tokens)."""
        return self.attention.attention_scores(self._before_attention(tokens), rotations)

    def compute_output_shape(self, tokens_shape: Any, rotations_shape: Any = None) -> Any:
        return tokens_shape

    def compute_output_spec(self, tokens: Any, rotations: Any = None, training: bool | None = None) -> Any:
        return keras.KerasTensor(tokens.shape, dtype=self.compute_dtype)
