"""One layer of a transformer encoder: attention and a feed-forward part, each on a residual branch."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_vit.layers.drop_path import DropPath
from keras_vit.layers.layer_scale import LayerScale
from keras_vit.layers.mlp import MLP
from keras_vit.layers.multi_head_self_attention import MultiHeadSelfAttention
from keras_vit.layers.normalization import make_norm
from keras_vit.layers.residual_encoder import ResidualEncoder, require_branches
from keras_vit.layers.swi_glu import SwiGLU
from keras_vit.layers.token_windows import TokenWindows

ORDERS = ("pre_norm", "post_norm", "parallel")


@keras.saving.register_keras_serializable(package="keras_vit")
class TransformerEncoder(ResidualEncoder):
    """Adds attention and a feed-forward part to the tokens.

    In the order "pre_norm", of nearly all Vision Transformers:

        tokens + drop_path(layer_scale(attention(norm(tokens)))), then the same with mlp

    "post_norm" normalises what a branch returns, in place of layer scale; "parallel" adds both branches at once, from
    one norm: tokens + drop_path(layer_scale(attention(norm(tokens)) + mlp(norm(tokens)))).

    Args:
        num_heads: Number of attention heads, > 0; must divide the width of the tokens.
        mlp_dim: Width inside the feed-forward part, channels, > 0.
        order: "pre_norm", "post_norm" or "parallel".
        mlp: "mlp" (two dense layers) or "swiglu" (gated).
        activation: Of "mlp": "gelu" (exact), "gelu_tanh", "quick_gelu" or "silu".
        use_qkv_bias: Whether queries, keys and values have a bias.
        use_key_bias: Whether keys have one, too, where `use_qkv_bias` is True.
        use_projection_bias: Whether the attention's projection and the feed-forward part have biases.
        use_qk_norm: Whether queries and keys are normalised per head.
        use_sub_norm: Whether values are normalised also before the attention's projection and inside the
            feed-forward part.
        bias_grid: Rows and columns of patches, after one class token, whose attention has a learned bias for each
            offset between two of them; None means no such bias, and any number of tokens.
        windows: Arguments of `TokenWindows`, where patches attend only to those of their own window, and prefix tokens
            to none; not with `bias_grid`.
        layer_scale_init: Starting factor of layer scale, > 0; None leaves it out.
        dropout_rate: Share of values dropped after dense layers while training, 0 <= rate < 1.
        attention_dropout_rate: Share of attention weights dropped while training, 0 <= rate < 1.
        drop_path_rate: Share of samples that skip a branch while training, 0 <= rate < 1.
        norm: Kind of the norms, "layer_norm" or "rms_norm".
        norm_epsilon: Added to the variance in the norms, > 0.
        seed: Whole number that makes dropout and drop path repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape.

    Raises:
        ValueError: `order`, `mlp` or `norm` is unknown, layer scale meets "post_norm", or windows meet `bias_grid`; the
            parts raise for their own arguments.

    Source: Dosovitskiy et al., 2021, arXiv 2010.11929; "post_norm": Liu et al., 2022, arXiv 2111.09883; "parallel":
        Dehghani et al., 2023, arXiv 2302.05442.
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        *,
        order: str = "pre_norm",
        mlp: str = "mlp",
        activation: str = "gelu",
        use_qkv_bias: bool = True,
        use_key_bias: bool = True,
        use_projection_bias: bool = True,
        use_qk_norm: bool = False,
        use_sub_norm: bool = False,
        bias_grid: tuple[int, int] | None = None,
        windows: dict[str, Any] | None = None,
        layer_scale_init: float | None = None,
        dropout_rate: float = 0.0,
        attention_dropout_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm: str = "layer_norm",
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_branches(
            "TransformerEncoder", ORDERS, order=order, mlp=mlp, norm=norm, layer_scale_init=layer_scale_init
        )
        if windows is not None and bias_grid is not None:
            raise ValueError(f"TransformerEncoder needs bias_grid=None with windows; got {bias_grid=}, {windows=}.")
        self.windows = None if windows is None else TokenWindows(**windows)
        self.window_size = None if self.windows is None else self.windows.window_size
        self.shift_size = (0, 0)
        self._arguments = {
            "num_heads": num_heads,
            "mlp_dim": mlp_dim,
            "order": order,
            "mlp": mlp,
            "activation": activation,
            "use_qkv_bias": use_qkv_bias,
            "use_key_bias": use_key_bias,
            "use_projection_bias": use_projection_bias,
            "use_qk_norm": use_qk_norm,
            "use_sub_norm": use_sub_norm,
            "bias_grid": None if bias_grid is None else (int(bias_grid[0]), int(bias_grid[1])),
            "windows": None if self.windows is None else dataclasses.asdict(self.windows),
            "layer_scale_init": layer_scale_init,
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
        self.attention = MultiHeadSelfAttention(
            num_heads,
            use_qkv_bias=use_qkv_bias,
            use_key_bias=use_key_bias,
            use_projection_bias=use_projection_bias,
            use_qk_norm=use_qk_norm,
            use_sub_norm=use_sub_norm,
            bias_grid=bias_grid,
            attention_dropout_rate=attention_dropout_rate,
            norm=norm,
            norm_epsilon=norm_epsilon,
            name="attention",
            **regularised,
        )
        feed_forward: dict[str, Any] = {
            "use_bias": use_projection_bias,
            "sub_norm": norm if use_sub_norm else None,
            "norm_epsilon": norm_epsilon,
            "name": "mlp",
            **regularised,
        }
        if mlp == "swiglu":
            self.mlp = SwiGLU(mlp_dim, **feed_forward)
        else:
            self.mlp = MLP(mlp_dim, activation=activation, **feed_forward)
        if order != "parallel":
            self.mlp_norm = make_norm(norm, norm_epsilon, name="mlp_norm", **policy)
        if layer_scale_init is not None:
            self.attention_scale = LayerScale(layer_scale_init, name="attention_scale", **policy)
            if order != "parallel":
                self.mlp_scale = LayerScale(layer_scale_init, name="mlp_scale", **policy)
        if drop_path_rate:
            self.drop_path = DropPath(drop_path_rate, seed=seed, name="drop_path", **policy)

    def call(self, tokens: Any, training: bool | None = None) -> Any:
        attend = functools.partial(self.attention, training=training)
        if self.windows is not None:
            attend = functools.partial(self.windows.apply, attend)
        return self._run(tokens, attend, training=training)

    def call_merging(self, tokens: Any, log_sizes: Any, merge: Callable[[Any, Any], Any]) -> Any:
        """Runs the layer at inference on tokens that stand for several patches, and makes them fewer.

        Args:
            tokens: (batch, num_tokens, embed_dim).
            log_sizes: (batch, num_tokens), logarithm of the number of patches in each token.
            merge: Takes tokens and the heads' mean keys, (batch, num_tokens, head_dim), and returns fewer tokens. It is
                called after attention, in the order "parallel" at the end.
        """
        keys: Any = None

        def attend(normalised: Any) -> Any:
            nonlocal keys
            mixed, keys = self.attention.attend_by_size(normalised, log_sizes)
            return mixed

        return self._run(tokens, attend, lambda mixed: merge(mixed, keys))

    def attention_scores(self, tokens: Any) -> Any:
        """Returns this layer's attention weights for its input tokens, (batch, num_heads, num_tokens, num_tokens).

        With windows those of patches, (batch, num_heads, num_windows, window_tokens, window_tokens).
        """
        normalised = self._before_attention(tokens)
        if self.windows is not None:
            return self.windows.separate(self.attention.attention_scores(self.windows.split(normalised)))
        return self.attention.attention_scores(normalised)
