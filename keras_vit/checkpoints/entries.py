"""Entries: the lines of a key map, each saying where a variable is in a checkpoint and how it is stored there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_vit.checkpoints.transforms import Transform, identity

Array = NDArray[Any]
Shape = tuple[int, ...]


class Rows(NamedTuple):
    """Rows `start` to `stop` of a tensor ([1,] rows, channels), such as the class token's place in a position table."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Entry:
    """One line of a key map: a variable's path, the tensor's name in the file, and how their layouts differ.

    Args:
        variable: Path of the variable in the model.
        name: Name of the tensor. Several names: tensors that make equal parts of the variable's last axis, in this
            order, each stored by `transform`.
        transform: Changes layout, never a number.
        plus: Rows that belong to the same tokens and are added to them on reading. Writing leaves zeros there.
    """

    variable: str
    name: str | tuple[str, ...]
    transform: Transform = identity
    plus: Rows | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,) if isinstance(self.name, str) else self.name

    def file_shape(self, shape: Shape) -> Shape:
        """Returns the shape of each tensor, given the variable's."""
        return self.transform.file_shape(self._part(shape))

    def read(self, arrays: list[Array], shape: Shape) -> Array:
        """Returns the variable's value from its tensors, in the order of `names`."""
        part = self._part(shape)
        parts = [self.transform.read(array, part) for array in arrays]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def write(self, value: Array) -> list[Array]:
        """Returns the tensors that hold the variable's value, in the order of `names`."""
        return [self.transform.write(part) for part in np.split(value, len(self.names), axis=-1)]

    def _part(self, shape: Shape) -> Shape:
        return shape if isinstance(self.name, str) else (*shape[:-1], shape[-1] // len(self.name))


class Adaptation(NamedTuple):
    """How a value that fits another model becomes one of this model.

    Args:
        shape: Shape of the variable in the model that the checkpoint was made for.
        fit: Value of that shape -> value of the shape that is needed.
        status: "resampled" (another grid or patch size) or "adapted" (another number of channels).
    """

    shape: Shape
    fit: Callable[[Array], Array]
    status: Literal["resampled", "adapted"] = "resampled"
