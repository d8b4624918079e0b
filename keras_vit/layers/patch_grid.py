"""Patch grid: puts the patch tokens of a plain Vision Transformer back where their patches were."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer


@keras.saving.register_keras_serializable(package="keras_vit")
class PatchGrid(Layer):
    """Leaves prefix tokens out and gives the patch tokens the rows and columns of the patches that they came from.

    Call:
        tokens: (batch, prefix + rows * columns, embed_dim).
        patches: (batch, rows, columns, channels); only its sizes are read.
        -> (batch, rows, columns, embed_dim).

    Raises:
        ValueError: There are fewer tokens than patches.
    """

    def build(self, tokens_shape: Any, patches_shape: Any) -> None:
        rows, columns = patches_shape[1:3]
        if None not in (tokens_shape[1], rows, columns) and tokens_shape[1] < rows * columns:
            raise ValueError(
                f"PatchGrid needs a token for each patch; got {tokens_shape[1]} tokens for {rows} x {columns} patches."
            )

    def call(self, tokens: Any, patches: Any) -> Any:
        rows, columns = ops.shape(patches)[1:3]
        num_prefix_tokens = ops.shape(tokens)[1] - rows * columns
        return ops.reshape(tokens[:, num_prefix_tokens:], (-1, rows, columns, tokens.shape[-1]))

    def compute_output_shape(self, tokens_shape: Any, patches_shape: Any) -> Any:
        return (*patches_shape[:3], tokens_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return super().get_config()
