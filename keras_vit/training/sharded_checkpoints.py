"""Training checkpoints in parts, by Orbax: every device writes what it holds, and any other placement can read it."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit.checkpoints.tensors import Array
from keras_vit.training.checkpoint_files import CheckpointFiles


class ShardedCheckpointFiles(CheckpointFiles):
    """The checkpoints of one run that all its devices and processes write together; JAX only.

    No device and no process ever gathers the whole state to write it. Each process reads all of it when the run goes
    on: then its devices take their parts, also on another mesh.

    Args:
        folder: Where they lie; all processes reach it. It holds nothing else.

    Raises:
        ValueError: The backend is not JAX.
        ImportError: Orbax is not installed.
    """

    suffix = ".orbax"
    leftovers = "*.orbax-checkpoint-tmp*"

    def __init__(self, folder: Path) -> None:
        if keras.config.backend() != "jax":
            raise ValueError(
                f"Checkpoints in parts need the JAX backend; got {keras.config.backend()}. Set KERAS_BACKEND=jax, or "
                "leave them whole."
            )
        _import_orbax()
        super().__init__(folder.absolute())  # as Orbax wants it

    def values(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what `write` takes, of variables by name; no copies, because `write` returns when all is written."""
        return {name: variable.value for name, variable in variables.items()}

    def read(self) -> tuple[Any, dict[str, Array], dict[str, str]] | None:
        """Returns position, arrays and metadata of the newest checkpoint, in all processes; None where there is none.

        Raises:
            ValueError: There are checkpoints, and all of them are damaged, or of another kind.
        """
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices("the first process has cleared the folder of a new run")
        return super().read()

    def _write(self, path: Path, values: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        _require_space(self.folder, sum(value.nbytes for value in values.values()))
        with _import_orbax().StandardCheckpointer() as checkpointer:
            try:
                checkpointer.save(path, _nest(values), custom_metadata=dict(metadata))
                checkpointer.wait_until_finished()
            except ValueError as error:  # how its storage tells of a full disk
                raise OSError(f"{path} could not be written: {error}") from error

    def _read(self, path: Path) -> tuple[dict[str, Array], dict[str, str]]:
        import jax

        with _import_orbax().StandardCheckpointer() as checkpointer:
            try:
                about = checkpointer.metadata(path)
                # Arrays of NumPy, because the devices that wrote may not be there.
                empty = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), about.item_metadata.tree)
                arrays = dict(_flatten(checkpointer.restore(path, empty)))
            except (AttributeError, KeyError, OSError) as error:  # parts of it are not there
                raise ValueError(str(error)) from error
        return arrays, dict(about.custom_metadata)

    def _remove(self, path: Path) -> None:
        import jax

        if jax.process_index() == 0:
            shutil.rmtree(path)


def _require_space(folder: Path, num_bytes: int) -> None:
    """Raises an OSError in all processes, or in none: one that cannot write has the others wait for it in vain."""
    import jax
    from jax.experimental.multihost_utils import broadcast_one_to_all

    has_space = shutil.disk_usage(folder).free > num_bytes
    if jax.process_count() > 1:
        has_space = bool(broadcast_one_to_all(np.array(has_space)))
    if not has_space:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns {"weights/00000/kernel": value} as {"weights": {"00000": {"kernel": value}}}, as Orbax wants it."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split("/")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = value
    return tree


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Array]]:
    """The inverse of `_nest`."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


def _import_orbax() -> Any:
    try:
        import orbax.checkpoint
    except ImportError as error:
        raise ImportError("Checkpoints in parts need an extra: pip install 'keras3-vit[orbax]'") from error
    return orbax.checkpoint
