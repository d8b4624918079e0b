"""Patch dropout: training sees a random part of each image, and takes less time and memory."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer


@keras.saving.register_keras_serializable(package="keras_vit")
class PatchDropout(Layer):
    """Keeps a random subset of the patch tokens of each sample while training, in a random order.

    The order is of no matter to layers that read tokens as a set: positions are in the tokens already.

    Args:
        rate: Share of the tokens left out, 0 <= rate < 1; at least one token stays.
        seed: Whole number that makes the draws repeatable.

    Call:
        tokens: (batch, num_tokens, embed_dim), without prefix tokens -> the same at inference;
            (batch, max(1, int(num_tokens * (1 - rate))), embed_dim) while training.

    Raises:
        ValueError: `rate` is outside [0, 1).

    Source: Liu et al., "PatchDropout", 2022, arXiv 2208.07220; Li et al., 2023, arXiv 2212.00794 (FLIP).
    """

    def __init__(self, rate: float = 0.0, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"PatchDropout needs 0 <= rate < 1; got {rate=}. Use 0 to switch it off.")
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, tokens: Any, training: bool | None = None) -> Any:
        if not training or self.rate == 0:
            return tokens
        batch, num_tokens = ops.shape(tokens)[:2]
        draws = keras.random.uniform((batch, num_tokens), dtype="float32", seed=self.seed_generator)
        kept = ops.argsort(draws, axis=-1)[:, : self._num_kept(num_tokens)]
        return ops.take_along_axis(tokens, kept[..., None], axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}

    def _num_kept(self, num_tokens: Any) -> Any:
        if isinstance(num_tokens, int):
            return max(1, int(num_tokens * (1 - self.rate)))
        # TensorFlow's graphs may not know the number. In float64, as Python calculates.
        return ops.maximum(1, ops.cast(ops.cast(num_tokens, "float64") * (1 - self.rate), "int32"))
