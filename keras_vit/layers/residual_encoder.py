"""What all layers of transformer encoders are: attention and a feed-forward part, each on a residual branch."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_vit.layers.drop_path import DropPath
from keras_vit.layers.layer_scale import LayerScale
from keras_vit.layers.normalization import require_norm
from keras_vit.layers.recomputation import Prologue, recomputes
from keras_vit.layers.rematerialization import Rematerialized


class ResidualEncoder(Rematerialized):
    """Base of encoder layers, which make the parts: norms, attention, mlp, and, where wanted, scales and drop path.

    Orders are "pre_norm", tokens + drop_path(scale(attention(norm(tokens)))), then the same with mlp; "post_norm",
    which normalises what a branch returns and has no scales; "parallel", which adds both branches at once, from one
    norm.

    Attributes:
        order: As above.
        attention_norm, attention, mlp_norm, mlp: The parts; "parallel" has no `mlp_norm`.
        attention_scale, mlp_scale: A `LayerScale`, or None.
        drop_path: A `DropPath`, or None. One layer serves both branches: its generator draws anew at each call.
    """

    attention_norm: Any
    attention: Any
    mlp: Any
    _arguments: dict[str, Any]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = "pre_norm"
        # Not on the class, where PyTorch would find them before a layer of that name.
        self.mlp_norm: Any = None
        self.attention_scale: LayerScale | None = None
        self.mlp_scale: LayerScale | None = None
        self.drop_path: DropPath | None = None

    def build(self, input_shape: Any) -> None:
        for layer in (
            self.attention_norm,
            self.attention,
            self.attention_scale,
            self.mlp_norm,
            self.mlp,
            self.mlp_scale,
        ):
            if layer is not None:
                layer.build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._arguments}

    def _run(
        self,
        tokens: Any,
        attend: Callable[..., Any],
        shorten: Callable[[Any], Any] = lambda tokens: tokens,
        training: bool | None = None,
    ) -> Any:
        """Returns the layer's output.

        Args:
            tokens: The layer's input.
            attend: Mixes tokens; may be called with a `prologue` for them.
            shorten: Follows the attention's branch.
            training: As in a layer's call.
        """
        mlp = functools.partial(self.mlp, training=training)
        if self.order == "parallel":
            normalised = self.attention_norm(tokens)
            branch = attend(normalised) + mlp(normalised)
            return shorten(self._add(tokens, branch, self.attention_scale, training))
        if self.order == "post_norm":
            tokens = shorten(self._add(tokens, self.attention_norm(attend(tokens)), None, training))
            return self._add(tokens, self.mlp_norm(mlp(tokens)), None, training)
        branch = _after_norm(attend, self.attention_norm, tokens, training)
        tokens = shorten(self._add(tokens, branch, self.attention_scale, training))
        branch = _after_norm(mlp, self.mlp_norm, tokens, training)
        return self._add(tokens, branch, self.mlp_scale, training)

    def _before_attention(self, tokens: Any) -> Any:
        return tokens if self.order == "post_norm" else self.attention_norm(tokens)

    def _add(self, tokens: Any, branch: Any, scale: LayerScale | None, training: bool | None) -> Any:
        if scale is not None:
            branch = scale(branch)
        if self.drop_path is not None:
            branch = self.drop_path(branch, training=training)
        return tokens + branch


def _after_norm(part: Callable[..., Any], norm: keras.layers.Layer, tokens: Any, training: bool | None) -> Any:
    """Returns part(norm(tokens)), without keeping what the norm returns where that saves memory."""
    if training and recomputes():
        return part(tokens, prologue=Prologue(functools.partial(norm, training=training), (norm,)))
    return part(norm(tokens))


def require_branches(
    owner: str, orders: Sequence[str], *, order: str, mlp: str, norm: str, layer_scale_init: float | None
) -> None:
    """Raises a ValueError unless the branches of `owner` can be made so."""
    if order not in orders:
        raise ValueError(f"{owner} needs order to be one of {tuple(orders)}; got {order=}.")
    if mlp not in ("mlp", "swiglu"):
        raise ValueError(f"{owner} needs mlp to be 'mlp' or 'swiglu'; got {mlp=}.")
    if order == "post_norm" and layer_scale_init is not None:
        raise ValueError(
            f"{owner} needs layer_scale_init=None with order='post_norm'; got {layer_scale_init=}. "
            "The norm of each branch has factors already."
        )
    require_norm(owner, norm)
