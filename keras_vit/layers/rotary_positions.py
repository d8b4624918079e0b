"""Rotary positions: how far attention turns the queries and keys of each token, by where in the image it is."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_vit.layers.layer import Layer

Array = NDArray[Any]

COORDINATES = ("patches", "centred")
PAIRINGS = ("neighbours", "halves")


@keras.saving.register_keras_serializable(package="keras_vit")
class RotaryPositions(Layer):
    """Gives every token the cosines and sines of the angles that its queries and keys are turned by.

    Half of the angles grow with the row, half with the column, at frequencies that fall from 1 to nearly
    1 / `temperature`. Prefix tokens are not turned. One call serves all encoder layers.

    Args:
        head_dim: Channels of an attention head; a multiple of 4.
        temperature: Base of the frequencies, no unit, > 1.
        coordinates: "patches" counts them from the top left; "centred" goes from -1 to 1 over the image, times 2 pi.
        reference_grid: Rows and columns to which "patches" are scaled, so that larger images have the angles of the
            size that the weights were trained at; None counts as they are.
        offset: Added to the number of each row and column.
        is_column_first: Whether columns make the first half of the angles.
        num_prefix_tokens: Number of tokens in front, >= 0.

    Call:
        patches: (batch, rows, columns, embed_dim), of which the grid alone is read ->
            (prefix + rows * columns, 1, head_dim), float32 whatever the policy: cosines, then sines, of each pair of
            channels.

    Raises:
        ValueError: An argument is out of range or unknown.

    Source: Su et al., "RoFormer", 2021, arXiv 2104.09864; for images Fang et al., "EVA-02", 2023, arXiv 2303.11331;
        "centred": Siméoni et al., "DINOv3", 2025, arXiv 2508.10104.
    """

    def __init__(
        self,
        head_dim: int,
        *,
        temperature: float = 10_000.0,
        coordinates: str = "patches",
        reference_grid: tuple[int, int] | None = None,
        offset: float = 0.0,
        is_column_first: bool = False,
        num_prefix_tokens: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        _check_sizes("RotaryPositions", head_dim, temperature, num_prefix_tokens)
        if coordinates not in COORDINATES:
            raise ValueError(f"RotaryPositions needs coordinates to be one of {COORDINATES}; got {coordinates=}.")
        if reference_grid is not None and (len(reference_grid) != 2 or min(reference_grid) < 1):
            raise ValueError(f"RotaryPositions needs reference_grid as two numbers >= 1; got {reference_grid=}.")
        self.head_dim = head_dim
        self.temperature = temperature
        self.coordinates = coordinates
        self.reference_grid = None if reference_grid is None else (int(reference_grid[0]), int(reference_grid[1]))
        self.offset = offset
        self.is_column_first = is_column_first
        self.num_prefix_tokens = num_prefix_tokens

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, patches: Any) -> Any:
        rows, columns = ops.shape(patches)[1:3]
        xp = np if isinstance(rows, int) and isinstance(columns, int) else ops
        rotations = _rotations(self._angles(rows, columns, xp), self.num_prefix_tokens, xp)
        return ops.convert_to_tensor(rotations, "float32")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (_count_tokens(input_shape, self.num_prefix_tokens), 1, self.head_dim)

    def compute_output_spec(self, patches: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(patches.shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "temperature": self.temperature,
            "coordinates": self.coordinates,
            "reference_grid": self.reference_grid,
            "offset": self.offset,
            "is_column_first": self.is_column_first,
            "num_prefix_tokens": self.num_prefix_tokens,
        }

    def _angles(self, rows: Any, columns: Any, xp: Any) -> Any:
        """Returns (rows * columns, 1, head_dim // 2)."""
        axes = zip((rows, columns), self.reference_grid or (None, None), strict=True)
        row_places, column_places = (self._places(size, reference, xp) for size, reference in axes)
        row_numbers, column_numbers = xp.meshgrid(row_places, column_places, indexing="ij")
        order = (column_numbers, row_numbers) if self.is_column_first else (row_numbers, column_numbers)
        frequencies = _floats(frequency_bands(self.head_dim, self.temperature), xp)
        return xp.reshape(xp.stack(order, axis=-1)[..., None] * frequencies, (-1, 1, self.head_dim // 2))

    def _places(self, size: Any, reference: int | None, xp: Any) -> Any:
        places, size = _floats(xp.arange(size), xp) + self.offset, _floats(size, xp)
        if self.coordinates == "centred":
            return 2 * math.pi * (2 * (places + 0.5) / size - 1)
        return places if reference is None else places / size * reference


@keras.saving.register_keras_serializable(package="keras_vit")
class LearnedRotaryPositions(Layer):
    """Gives every token cosines and sines as `RotaryPositions` does, with learned frequencies in each layer and head.

    Each pair of channels has a frequency along both axes; its angle is the sum of both.

    Args:
        depth: Number of encoder layers, > 0.
        num_heads: Number of attention heads, > 0.
        head_dim: Channels of an attention head; a multiple of 4.
        temperature: Base of the frequencies at the start, no unit, > 1.
        is_column_first: Whether the first of both frequencies is that along columns.
        num_prefix_tokens: Number of tokens in front, which are not turned, >= 0.

    Call:
        patches: (batch, rows, columns, embed_dim), of which the grid alone is read -> a tuple, for each encoder layer
            (prefix + rows * columns, num_heads, head_dim), float32 whatever the policy: cosines, then sines.

    Raises:
        ValueError: An argument is out of range.

    Source: Heo et al., "Rotary Position Embedding for Vision Transformer", 2024, arXiv 2403.13298 (RoPE-Mixed).
    """

    def __init__(
        self,
        depth: int,
        num_heads: int,
        head_dim: int,
        *,
        temperature: float = 10.0,
        is_column_first: bool = False,
        num_prefix_tokens: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        _check_sizes("LearnedRotaryPositions", head_dim, temperature, num_prefix_tokens)
        if depth < 1 or num_heads < 1:
            raise ValueError(f"LearnedRotaryPositions needs depth and num_heads >= 1; got {depth=}, {num_heads=}.")
        self.depth = depth
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.temperature = temperature
        self.is_column_first = is_column_first
        self.num_prefix_tokens = num_prefix_tokens

    def build(self, input_shape: Any) -> None:
        self.frequencies = self.add_weight(
            name="frequencies",
            shape=(2, self.depth, self.num_heads, self.head_dim // 2),
            initializer=self._starting_frequencies,
        )

    def call(self, patches: Any) -> tuple[Any, ...]:
        rows, columns = ops.shape(patches)[1:3]
        numbers = (_floats(ops.arange(size), ops) for size in (rows, columns))
        places = [ops.reshape(each, (-1, 1, 1, 1)) for each in ops.meshgrid(*numbers, indexing="ij")]
        first, second = reversed(places) if self.is_column_first else places
        frequencies = ops.unstack(ops.cast(self.frequencies, "float32"), 2)
        angles = first * frequencies[0] + second * frequencies[1]
        layers = ops.unstack(angles, self.depth, axis=1)
        return tuple(_rotations(each, self.num_prefix_tokens, ops) for each in layers)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = (_count_tokens(input_shape, self.num_prefix_tokens), self.num_heads, self.head_dim)
        return (shape,) * self.depth

    def compute_output_spec(self, patches: Any) -> tuple[keras.KerasTensor, ...]:
        return tuple(keras.KerasTensor(shape, dtype="float32") for shape in self.compute_output_shape(patches.shape))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth": self.depth,
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "temperature": self.temperature,
            "is_column_first": self.is_column_first,
            "num_prefix_tokens": self.num_prefix_tokens,
        }

    def _starting_frequencies(self, shape: Any, dtype: Any = None) -> Any:
        """Both axes, turned by a random angle in each layer and head."""
        angles = keras.initializers.RandomUniform(0, 2 * math.pi)((self.depth, self.num_heads, 1))
        bands = ops.convert_to_tensor(frequency_bands(self.head_dim, self.temperature), "float32")
        turned = (angles, angles + math.pi / 2)
        along = [
            ops.concatenate([bands * function(each) for each in turned], axis=-1) for function in (ops.cos, ops.sin)
        ]
        return ops.cast(ops.stack(along), dtype or "float32")


def rotate(vectors: Any, rotations: Any, pairing: str) -> Any:
    """Turns pairs of channels of queries or keys.

    Args:
        vectors: (batch, num_tokens, num_heads, head_dim).
        rotations: (num_tokens, 1 or num_heads, head_dim), cosines and sines of each pair.
        pairing: What makes a pair: "neighbours", channels 0 and 1, 2 and 3, ...; or "halves", channels i and
            i + head_dim / 2.
    """
    cosines, sines = ops.split(rotations, 2, axis=-1)
    # Half precision would turn by angles that are off by a degree.
    wide = ops.cast(vectors, keras.backend.result_type(vectors.dtype, "float32"))
    if pairing == "halves":
        first, second = ops.split(wide, 2, axis=-1)
    else:
        first, second = wide[..., ::2], wide[..., 1::2]
    turned = (first * cosines - second * sines, second * cosines + first * sines)
    if pairing == "halves":
        joined = ops.concatenate(turned, axis=-1)
    else:
        joined = ops.reshape(ops.stack(turned, axis=-1), ops.shape(wide))
    return ops.cast(joined, vectors.dtype)


def frequency_bands(head_dim: int, temperature: float) -> Array:
    """Returns the frequencies of an axis, (head_dim // 4,), from 1 down to nearly 1 / temperature."""
    return temperature ** -(np.arange(head_dim // 4) / (head_dim // 4))


def _rotations(angles: Any, num_prefix_tokens: int, xp: Any) -> Any:
    """Turns angles (num_patches, heads, pairs) into cosines and sines, with angles of zero for prefix tokens."""
    if num_prefix_tokens:
        prefix = xp.zeros((num_prefix_tokens, *angles.shape[1:]), angles.dtype)
        angles = xp.concatenate([prefix, angles], axis=0)
    return xp.concatenate([xp.cos(angles), xp.sin(angles)], axis=-1)


def _floats(values: Any, xp: Any) -> Any:
    return np.asarray(values, "float64") if xp is np else xp.cast(values, "float32")


def _count_tokens(input_shape: Any, num_prefix_tokens: int) -> int | None:
    rows, columns = input_shape[1:3]
    return None if None in (rows, columns) else num_prefix_tokens + rows * columns


def _check_sizes(who: str, head_dim: int, temperature: float, num_prefix_tokens: int) -> None:
    if head_dim < 4 or head_dim % 4:
        raise ValueError(f"{who} needs head_dim to be a multiple of 4; got {head_dim=}.")
    if not temperature > 1 or num_prefix_tokens < 0:
        raise ValueError(
            f"{who} needs temperature > 1 and num_prefix_tokens >= 0; got {temperature=}, {num_prefix_tokens=}."
        )
