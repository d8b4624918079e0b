"""Layer scale: a learned factor per channel on a residual branch."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer


@keras.saving.register_keras_serializable(package="keras_vit")
class LayerScale(Layer):
    """Multiplies each channel of a residual branch by a learned factor.

    Args:
        initial_value: Starting factor of every channel, no unit, > 0; smaller for deeper models.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> same shape and dtype.

    Raises:
        ValueError: `initial_value` is not positive.

    Source: Touvron et al., "Going deeper with Image Transformers", 2021, arXiv 2103.17239.
    """

    def __init__(self, initial_value: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not initial_value > 0:
            raise ValueError(
                f"LayerScale needs initial_value > 0; got {initial_value=}. To switch it off, leave it out."
            )
        self.initial_value = initial_value

    def build(self, input_shape: Any) -> None:
        self.factors = self.add_weight(
            name="factors",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial_value),
        )

    def call(self, tokens: Any) -> Any:
        return ops.multiply(tokens, self.factors)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial_value": self.initial_value}
