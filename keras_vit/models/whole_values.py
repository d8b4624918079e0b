"""Values of variables as NumPy arrays, also of those that are split over the devices of several processes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class WholeValue:
    """A variable as `checkpoints.collect` reads it."""

    variable: Any

    def numpy(self) -> np.ndarray:
        return to_numpy(self.variable)


def whole_values(variables: Mapping[str, Any]) -> dict[str, WholeValue]:
    """Returns what reads each variable, wherever its parts lie."""
    return {path: WholeValue(variable) for path, variable in variables.items()}


def to_numpy(variable: Any) -> np.ndarray:
    """Returns a copy of the value of a variable.

    Raises:
        ValueError: The devices of this process hold a part of it only. Under a `Placement` they hold all parts.
    """
    value = variable.value
    if getattr(value, "is_fully_addressable", True) or value.is_fully_replicated:
        return np.array(keras.ops.convert_to_numpy(value))
    whole = np.empty(value.shape, value.dtype)
    parts = {str(part.index): part for part in value.addressable_shards}.values()  # some devices hold equal ones
    for part in parts:
        whole[part.index] = part.data
    if sum(part.data.size for part in parts) != whole.size:
        raise ValueError(
            f"Saving needs all of {variable.path} in each process; got a part of it. Give the mesh a data axis that "
            "the processes divide."
        )
    return whole
