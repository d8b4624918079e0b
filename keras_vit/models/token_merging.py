"""Token merging at inference: the layers of a model, with its weights, in a graph that merges similar tokens."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers import SizeWeighting, TokenMergingEncoder, TransformerEncoder
from keras_vit.layers.token_merging import max_merged

_POOLINGS = ("token", "mean", "max", "token_mean")


def merging_model(model: Any, num_merged: int) -> keras.Model:
    """Returns a model that shares the weights and merges tokens; as `VisionModel.with_token_merging` says."""
    encoders = [layer for layer in model.layers if isinstance(layer, TransformerEncoder)]
    config = model.config
    _check(model, encoders, num_merged)
    tokens, sizes = encoders[0].input, _ones(encoders[0].input)
    for encoder in encoders:
        tokens, sizes = TokenMergingEncoder(
            encoder,
            num_merged,
            num_prefix_tokens=config.num_prefix_tokens,
            dtype=encoder.dtype_policy,
            name=f"merging_{encoder.name}",
        )(tokens, sizes)
    after = model.layers[model.layers.index(encoders[-1]) + 1 :]
    for layer in after[:-1]:
        tokens = layer(tokens)
    head = after[-1]
    if "mean" in config.pooling:
        tokens = SizeWeighting(head.num_prefix_tokens, dtype=head.dtype_policy, name="size_weighting")(tokens, sizes)
    return keras.Model(model.input, head(tokens), name=f"{model.name}_merging_{num_merged}")


def _check(model: Any, encoders: list[TransformerEncoder], num_merged: int) -> None:
    config, name = model.config, type(model).__name__
    if len(encoders) != config.depth:
        raise ValueError(f"with_token_merging needs a plain ViT, whose tokens are a sequence throughout; got a {name}.")
    if getattr(config, "window_size", None) is not None:
        raise ValueError(
            f"with_token_merging needs attention to all patches; this {name} has window_size={config.window_size}. "
            "Load it with window_size=None."
        )
    if not isinstance(num_merged, int) or num_merged < 0:
        raise ValueError(f"with_token_merging needs num_merged to be a whole number >= 0; got {num_merged!r}.")
    if config.pooling not in _POOLINGS:
        raise ValueError(
            f"with_token_merging needs a pooling that can do with fewer tokens, one of {_POOLINGS}; this {name} has "
            f"pooling={config.pooling!r}."
        )
    num_tokens = encoders[0].input.shape[1]
    if num_tokens is None:
        raise ValueError(
            "with_token_merging needs a known number of tokens; this model takes images of any size. Give it one: "
            "from_preset(..., image_size=(height, width))."
        )
    limit = _limit(num_tokens, config.num_prefix_tokens, len(encoders))
    if num_merged > limit:
        raise ValueError(
            f"with_token_merging needs num_merged <= {limit} for {num_tokens - config.num_prefix_tokens} patches and "
            f"{len(encoders)} layers; got {num_merged=}. Each layer can merge half of its patch tokens away."
        )


def _limit(num_tokens: int, num_prefix_tokens: int, depth: int) -> int:
    """Returns the largest number of tokens that each layer can merge away."""
    return next(
        number
        for number in range(num_tokens, -1, -1)
        if all(number <= max_merged(num_tokens - index * number, num_prefix_tokens) for index in range(depth))
    )


def _ones(tokens: Any) -> Any:
    """Each token is one patch at first."""
    return ops.ones_like(tokens[..., 0], dtype="int32")
