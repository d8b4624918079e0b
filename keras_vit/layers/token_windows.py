"""Windows of a plain Vision Transformer: attention within rectangles of patches, for images of many patches."""

import dataclasses
from collections.abc import Callable
from typing import Any

from keras import ops

from keras_vit.layers.recomputation import Prologue, apply
from keras_vit.layers.windows import merge_windows, pad_to_windows, partition_windows


@dataclasses.dataclass(frozen=True)
class TokenWindows:
    """Has attention run on windows of a sequence's patch tokens; prefix tokens take no part and gather nothing.

    Windows that do not divide the grid are filled up with zeros at the bottom and right, which are attended to as
    well, as in ViTDet.

    Args:
        window_size: Rows and columns of a window, patches, > 0.
        grid_size: Rows and columns of the patches in the sequence, at least those of a window.
        num_prefix_tokens: Number of tokens in front of them, >= 0.

    Raises:
        ValueError: A size is not positive, or the window is larger than the grid.

    Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", 2022, arXiv 2203.16527.
    """

    window_size: tuple[int, int]
    grid_size: tuple[int, int]
    num_prefix_tokens: int = 0

    def __post_init__(self) -> None:
        # JSON has no tuples: a reloaded config would differ from the original without this.
        for name in ("window_size", "grid_size"):
            rows, columns = getattr(self, name)
            object.__setattr__(self, name, (int(rows), int(columns)))
        fits = all(1 <= window <= size for window, size in zip(self.window_size, self.grid_size, strict=True))
        if not fits or self.num_prefix_tokens < 0:
            raise ValueError(
                f"TokenWindows needs windows of at least one patch that fit into the grid; got {self}. "
                "Choose a smaller window, or none."
            )

    def split(self, tokens: Any) -> Any:
        """Returns the patch tokens as (batch * num_windows, window_rows * window_columns, embed_dim)."""
        patches = tokens[:, self.num_prefix_tokens :] if self.num_prefix_tokens else tokens
        patches = ops.reshape(patches, (-1, *self.grid_size, tokens.shape[-1]))
        return partition_windows(pad_to_windows(patches, self.window_size), self.window_size)

    def apply(self, attention: Callable[[Any], Any], tokens: Any, prologue: Prologue | None = None) -> Any:
        """Returns what attention makes of each window, (batch, prefix + rows * columns, embed_dim); zeros in front."""
        rows, columns = self.grid_size
        tokens = apply(prologue, tokens)
        padded = merge_windows(attention(self.split(tokens)), self.window_size, self._padded_grid())
        mixed = ops.reshape(padded[:, :rows, :columns], (-1, rows * columns, tokens.shape[-1]))
        return ops.pad(mixed, ((0, 0), (self.num_prefix_tokens, 0), (0, 0))) if self.num_prefix_tokens else mixed

    def separate(self, scores: Any) -> Any:
        """Returns attention weights, (batch * num_windows, num_heads, ...), as (batch, num_heads, num_windows, ...)."""
        (rows, columns), (window_rows, window_columns) = self._padded_grid(), self.window_size
        num_windows = (rows // window_rows) * (columns // window_columns)
        scores = ops.reshape(scores, (-1, num_windows, *scores.shape[1:]))
        return ops.transpose(scores, (0, 2, 1, 3, 4))

    def _padded_grid(self) -> tuple[int, int]:
        rows, columns = (
            -(-size // window) * window for size, window in zip(self.grid_size, self.window_size, strict=True)
        )
        return rows, columns
