"""Positional encoding: tells each patch token where in the image it is."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.layers.initialization import normal
from keras_vit.layers.layer import Layer
from keras_vit.resampling import bicubic_matrix

KINDS = ("learned", "sincos", "none")


@keras.saving.register_keras_serializable(package="keras_vit")
class PositionalEncoding(Layer):
    """Adds a vector per grid place to patches and flattens the grid, row by row, top left first.

    The table belongs to one grid. For another grid it is resampled by rows and columns (bicubic, antialiased);
    for its own grid it is added as it is, so outputs there do not depend on whether the size was known before.

    Args:
        kind: "learned"; "sincos" (fixed sines and cosines of row and column); or "none" (only flattens).
        grid_size: Rows and columns of the stored table, patches, > 0; None takes the grid of the first input.

    Call:
        patches: (batch, rows, columns, embed_dim) -> (batch, rows * columns, embed_dim).

    Raises:
        ValueError: `kind` is unknown, the grid is not known when the layer is built, or "sincos" meets a width
            that 4 does not divide.

    Source: Dosovitskiy et al., 2021, arXiv 2010.11929 (learned); Beyer et al., "Better plain ViT baselines for
        ImageNet-1k", 2022, arXiv 2205.01580 (sincos).
    """

    def __init__(self, kind: str = "learned", grid_size: tuple[int, int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"PositionalEncoding needs kind to be one of {KINDS}; got {kind=}.")
        if grid_size is not None and (len(grid_size) != 2 or min(grid_size) < 1):
            raise ValueError(f"PositionalEncoding needs grid_size as two numbers >= 1; got {grid_size=}.")
        self.kind = kind
        self.grid_size = None if grid_size is None else (int(grid_size[0]), int(grid_size[1]))

    def build(self, input_shape: Any) -> None:
        if self.kind == "none":
            return
        embed_dim = input_shape[-1]
        self.table_grid = self.grid_size or tuple(input_shape[1:3])
        if None in self.table_grid:
            raise ValueError(
                f"PositionalEncoding needs grid_size when the input grid is not fixed; got {input_shape=}. "
                "Pass the (rows, columns) that the table is stored for."
            )
        self.table_initializer: Any = normal(stddev=0.02)
        if self.kind == "sincos":
            sines = _sines_and_cosines(self.table_grid[0], self.table_grid[1], embed_dim)
            self.table_initializer = lambda shape, dtype=None: ops.convert_to_tensor(sines, dtype)
        self.table = self.add_weight(
            name="table",
            shape=(*self.table_grid, embed_dim),
            initializer=self.table_initializer,
            trainable=self.kind == "learned",
            autocast=False,  # resampled in full precision, rounded once
        )

    def call(self, patches: Any) -> Any:
        rows, columns = ops.shape(patches)[1:3]
        if self.kind != "none":
            patches = ops.add(patches, ops.cast(self._resample(rows, columns), patches.dtype))
        return ops.reshape(patches, (-1, rows * columns, patches.shape[-1]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, rows, columns, embed_dim = input_shape
        return (batch, None if None in (rows, columns) else rows * columns, embed_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "grid_size": self.grid_size}

    def _resample(self, rows: Any, columns: Any) -> Any:
        """Returns the table for a grid; sizes are whole numbers, or tensors where TensorFlow learns them late."""
        table = ops.convert_to_tensor(self.table)
        is_static = isinstance(rows, int) and isinstance(columns, int)
        if is_static and (rows, columns) == self.table_grid:
            return table
        row_weights = bicubic_matrix(self.table_grid[0], rows, ops)
        column_weights = bicubic_matrix(self.table_grid[1], columns, ops)
        resampled = ops.einsum("ai,bj,ijd->abd", row_weights, column_weights, ops.cast(table, "float32"))
        resampled = ops.cast(resampled, table.dtype)
        if is_static:
            return resampled
        # For the table's own grid the matrices are the identity, but products with it are exact only in full precision.
        # Not `cond`: XLA needs both branches in one shape, also in the trace for another grid.
        is_native = ops.logical_and(ops.equal(rows, self.table_grid[0]), ops.equal(columns, self.table_grid[1]))
        stored = ops.take(table, ops.minimum(ops.arange(rows), self.table_grid[0] - 1), axis=0)
        stored = ops.take(stored, ops.minimum(ops.arange(columns), self.table_grid[1] - 1), axis=1)
        return ops.where(is_native, stored, resampled)


def _sines_and_cosines(rows: int, columns: int, embed_dim: int) -> np.ndarray:
    """Returns (rows, columns, embed_dim): sin and cos of the column, then sin and cos of the row."""
    if embed_dim % 4:
        raise ValueError(f"PositionalEncoding needs a width that 4 divides for kind='sincos'; got {embed_dim=}.")
    num_frequencies = embed_dim // 4
    frequencies = 10_000.0 ** -(np.arange(num_frequencies) / max(num_frequencies - 1, 1))
    row_numbers, column_numbers = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    row_angles, column_angles = row_numbers[..., None] * frequencies, column_numbers[..., None] * frequencies
    parts = [np.sin(column_angles), np.cos(column_angles), np.sin(row_angles), np.cos(row_angles)]
    return np.concatenate(parts, axis=-1).astype("float32")
