"""The files of training checkpoints: complete under their name or absent, with a checksum, the two newest kept."""

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_vit import checkpoints
from keras_vit.checkpoints.tensors import Array
from keras_vit.models.whole_values import to_numpy

_NAME = re.compile(r"epoch_(\d+)_batch_(\d+)(\.\w+)")


class Position(NamedTuple):
    """Where in the data a run is: what it trains next."""

    epoch: int  # counted from 0
    batch: int  # of this epoch, counted from 0

    def first_batch(self, epoch: int) -> int:
        """Returns the batch with which an epoch starts in a run that goes on from here."""
        return self.batch if epoch == self.epoch else 0

    def __str__(self) -> str:
        finished = f"the first {self.batch} batches of epoch {self.epoch + 1}" if self.batch else f"epoch {self.epoch}"
        return f"after {finished}"


class CheckpointFiles:
    """The checkpoints of one run, named by their position.

    Whatever ends the program, and whenever, one complete checkpoint is left: a new one is written to a temporary name,
    brought to the disk and moved into place, while the newest older one stays.

    Args:
        folder: Where they lie; it holds nothing else.
    """

    suffix = ".safetensors"
    leftovers = ".*.partial"  # of a write that was killed

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def positions(self) -> list[Position]:
        """Returns the positions of all checkpoints, newest first."""
        found = [match for match in self._names() if match[3] == self.suffix]
        return sorted((Position(int(match[1]), int(match[2])) for match in found), reverse=True)

    def values(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what `write` takes, of variables by name."""
        return {name: to_numpy(variable) for name, variable in variables.items()}

    def write(self, position: Position, values: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Writes a checkpoint.

        Raises:
            OSError: The disk is full or read-only; the newest checkpoint there was is unchanged.
        """
        self.folder.mkdir(exist_ok=True)
        # Before the new one, which may need the space; the newest stays.
        for older in self.positions()[1:]:
            self._remove(self.path(older))
        self._write(self.path(position), values, metadata)

    def read(self) -> tuple[Position, dict[str, Array], dict[str, str]] | None:
        """Returns position, arrays and metadata of the newest checkpoint that is whole; None where there is none.

        A damaged one, which no kill leaves but a failing disk may, is named in a warning and deleted.

        Raises:
            ValueError: There are checkpoints, and all of them are damaged, or of another kind.
        """
        for leftover in self.folder.glob(self.leftovers):
            self._remove(leftover)
        positions = self.positions()
        if not positions and any(self._names()):
            way = "with" if self.suffix == ".safetensors" else "without"
            raise ValueError(
                f"Resuming needs checkpoints of the kind that {str(self.folder)!r} holds. Resume {way} "
                "--sharded-checkpoints."
            )
        for position in positions:
            path = self.path(position)
            try:
                return position, *self._read(path)
            except ValueError as error:
                problem = str(error)
            warnings.warn(f"{path} is damaged ({problem}); going on from an earlier checkpoint.", stacklevel=2)
            if position != positions[-1]:
                self._remove(path)
        if positions:
            raise ValueError(f"Resuming needs a checkpoint; all in {str(self.folder)!r} are damaged. Train anew.")
        return None

    def path(self, position: Position) -> Path:
        """Returns the file of the checkpoint with this position."""
        return self.folder / f"epoch_{position.epoch:06d}_batch_{position.batch:08d}{self.suffix}"

    def _names(self) -> list[re.Match[str]]:
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return [match for match in map(_NAME.fullmatch, names) if match]

    def _write(self, path: Path, values: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        checkpoints.write(path, values, {**metadata, "sha256": _digest(values)})

    def _read(self, path: Path) -> tuple[dict[str, Array], dict[str, str]]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        except SafetensorError as error:
            raise ValueError(str(error)) from None
        if _digest(arrays) != metadata.get("sha256"):
            raise ValueError("its checksum differs")
        return arrays, metadata

    def _remove(self, path: Path) -> None:
        path.unlink()


def _digest(arrays: Mapping[str, Array]) -> str:
    """Returns the SHA-256 of all names, kinds, shapes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {np.shape(arrays[name])};".encode())
        digest.update(array.reshape(-1).view("uint8").data)
    return digest.hexdigest()
