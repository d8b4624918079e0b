"""Stochastic depth: skips a residual branch for whole samples while training."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer


@keras.saving.register_keras_serializable(package="keras_vit")
class DropPath(Layer):
    """Sets a residual branch to zero for randomly chosen samples and scales the others up.

    Args:
        rate: Share of samples that lose the branch, 0 <= rate < 1.
        seed: Whole number that makes the draws repeatable.

    Call:
        tokens: (batch, ...) -> same shape and dtype; unchanged at inference.

    Raises:
        ValueError: `rate` is outside [0, 1).

    Source: Huang et al., "Deep Networks with Stochastic Depth", 2016, arXiv 1603.09382.
    """

    def __init__(self, rate: float = 0.0, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"DropPath needs 0 <= rate < 1; got {rate=}. Use 0 to switch it off.")
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, tokens: Any, training: bool | None = None) -> Any:
        if not training or self.rate == 0:
            return tokens
        keep_rate = 1.0 - self.rate
        mask_shape = (ops.shape(tokens)[0],) + (1,) * (len(tokens.shape) - 1)
        draws = keras.random.uniform(mask_shape, dtype="float32", seed=self.seed_generator)
        # Divided so that the expected value stays that of inference.
        factors = ops.cast(draws < keep_rate, "float32") / keep_rate
        return tokens * ops.cast(factors, tokens.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
