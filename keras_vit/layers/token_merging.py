"""Token merging: encoder layers that average the tokens most alike, so that later layers have fewer to compute with."""

from typing import Any, Self

import keras
from keras import ops

from keras_vit.layers.layer import Layer
from keras_vit.layers.transformer_encoder import TransformerEncoder


@keras.saving.register_keras_serializable(package="keras_vit")
class TokenMergingEncoder(Layer):
    """An encoder layer, with its weights, that merges the pairs of tokens whose keys are most alike.

    Tokens at even places look for the most similar one at an odd place; of these pairs, the most similar are averaged,
    weighted by the number of patches in each. Attention goes to a merged token as to all of its patches. Merging comes
    after attention, in the order "parallel" at the end.

    Args:
        encoder: The `TransformerEncoder`, built or not, without a bias for each offset between patches.
        num_merged: Number of tokens to merge away, >= 0; at most half of the patch tokens.
        num_prefix_tokens: Number of tokens in front that are never merged, >= 0.

    Call:
        tokens: (batch, num_tokens, embed_dim); num_tokens is known.
        sizes: (batch, num_tokens) int32, number of patches in each token; 1 for prefix tokens.
        -> both with num_tokens - num_merged.

    Raises:
        ValueError: A number is negative, the encoder has biases for offsets, or there are not enough tokens to merge.

    Source: Bolya et al., "Token Merging: Your ViT But Faster", 2023, arXiv 2210.09461.
    """

    def __init__(
        self, encoder: TransformerEncoder, num_merged: int, *, num_prefix_tokens: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_merged < 0 or num_prefix_tokens < 0:
            raise ValueError(f"TokenMergingEncoder needs numbers >= 0; got {num_merged=}, {num_prefix_tokens=}.")
        if encoder.attention.bias_grid is not None:
            raise ValueError(
                "TokenMergingEncoder needs an encoder whose attention has no bias for each offset between patches: "
                f"merged tokens are in no one place; got bias_grid={encoder.attention.bias_grid}."
            )
        self.encoder = encoder
        self.num_merged = num_merged
        self.num_prefix_tokens = num_prefix_tokens

    def build(self, tokens_shape: Any, sizes_shape: Any) -> None:
        limit = max_merged(tokens_shape[1], self.num_prefix_tokens)
        if self.num_merged > limit:
            raise ValueError(
                f"TokenMergingEncoder needs num_merged <= {limit}, half of the patch tokens; got "
                f"num_merged={self.num_merged} for {tokens_shape[1]} tokens."
            )
        if not self.encoder.built:
            self.encoder.build(tokens_shape)

    def call(self, tokens: Any, sizes: Any) -> tuple[Any, Any]:
        merged_sizes = sizes

        def merge(tokens: Any, keys: Any) -> Any:
            nonlocal merged_sizes
            tokens, merged_sizes = self._merge(tokens, sizes, keys)
            return tokens

        tokens = self.encoder.call_merging(tokens, ops.log(ops.cast(sizes, "float32")), merge)
        return tokens, merged_sizes

    def compute_output_shape(self, tokens_shape: Any, sizes_shape: Any) -> tuple[Any, Any]:
        num_tokens = tokens_shape[1] - self.num_merged
        return (tokens_shape[0], num_tokens, tokens_shape[2]), (tokens_shape[0], num_tokens)

    def compute_output_spec(self, tokens: Any, sizes: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        tokens_shape, sizes_shape = self.compute_output_shape(tokens.shape, sizes.shape)
        return keras.KerasTensor(tokens_shape, self.compute_dtype), keras.KerasTensor(sizes_shape, "int32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "num_merged": self.num_merged,
            "num_prefix_tokens": self.num_prefix_tokens,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "encoder": keras.saving.deserialize_keras_object(config["encoder"])})

    def _merge(self, tokens: Any, sizes: Any, keys: Any) -> tuple[Any, Any]:
        if not self.num_merged:
            return tokens, sizes
        kept, sources, targets = match(keys, self.num_merged, self.num_prefix_tokens)
        counts = ops.cast(sizes, "float32")[..., None]
        # Half precision could not add hundreds of patches.
        sums = _combine(ops.cast(tokens, "float32") * counts, kept, sources, targets, self.num_prefix_tokens)
        counts = _combine(counts, kept, sources, targets, self.num_prefix_tokens)
        return ops.cast(sums / counts, tokens.dtype), ops.cast(ops.round(counts[..., 0]), "int32")


@keras.saving.register_keras_serializable(package="keras_vit")
class SizeWeighting(Layer):
    """Scales merged tokens so that their plain mean is the mean over all patches.

    Args:
        num_prefix_tokens: Number of tokens in front that the mean leaves out, >= 0.

    Call:
        tokens: (batch, num_tokens, embed_dim).
        sizes: (batch, num_tokens) int32, number of patches in each token.
        -> tokens, same shape and dtype.
    """

    def __init__(self, num_prefix_tokens: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_prefix_tokens = num_prefix_tokens

    def call(self, tokens: Any, sizes: Any) -> Any:
        counts = ops.cast(sizes, "float32")
        prefix, patches = counts[:, : self.num_prefix_tokens], counts[:, self.num_prefix_tokens :]
        factors = ops.concatenate([prefix, patches / ops.mean(patches, axis=1, keepdims=True)], axis=1)
        return tokens * ops.cast(factors, tokens.dtype)[..., None]

    def compute_output_shape(self, tokens_shape: Any, sizes_shape: Any) -> Any:
        return tokens_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_prefix_tokens": self.num_prefix_tokens}


def max_merged(num_tokens: int, num_prefix_tokens: int) -> int:
    """Returns how many tokens one layer can merge away: every second patch token."""
    return (num_tokens - num_prefix_tokens) // 2


def match(keys: Any, num_merged: int, num_prefix_tokens: int) -> tuple[Any, Any, Any]:
    """Chooses the pairs to merge.

    Args:
        keys: (batch, num_tokens, head_dim), the mean of the heads' keys.
        num_merged: Number of pairs, > 0.
        num_prefix_tokens: Number of tokens in front that take no part.

    Returns:
        Numbers among the even places that stay, in order, (batch, num_even - num_merged); those that are merged, and
        the numbers among the odd places that they go to, (batch, num_merged).
    """
    keys = ops.cast(keys, "float32")
    keys = keys / ops.maximum(ops.norm(keys, axis=-1, keepdims=True), 1e-12)
    even, odd = keys[:, ::2], keys[:, 1::2]
    scores = ops.matmul(even, ops.transpose(odd, (0, 2, 1)))
    is_patch = [ops.arange(start, keys.shape[1], 2) >= num_prefix_tokens for start in (0, 1)]
    scores = ops.where(is_patch[0][:, None] & is_patch[1][None, :], scores, -2.0)  # below all cosines
    order = ops.argsort(-ops.max(scores, axis=-1), axis=-1)
    sources = order[:, :num_merged]
    targets = ops.take_along_axis(ops.argmax(scores, axis=-1), sources, axis=1)
    return ops.sort(order[:, num_merged:], axis=-1), sources, targets


def _combine(values: Any, kept: Any, sources: Any, targets: Any, num_prefix_tokens: int) -> Any:
    """Adds what is merged: (batch, num_tokens, channels) -> prefix tokens, even ones that stay, odd ones with sums."""
    even, odd = values[:, ::2], values[:, 1::2]
    places = ops.one_hot(targets, odd.shape[1], axis=1, dtype=values.dtype)  # (batch, num_odd, num_merged)
    sums = odd + ops.matmul(places, ops.take_along_axis(even, sources[..., None], axis=1))
    stay = ops.take_along_axis(even, kept[..., None], axis=1)
    num_even = (num_prefix_tokens + 1) // 2  # prefix tokens at even places; the others are at odd ones
    return ops.concatenate(
        [values[:, :num_prefix_tokens], stay[:, num_even:], sums[:, num_prefix_tokens - num_even :]], axis=1
    )
