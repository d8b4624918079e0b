"""Opens a file of weights in any of the forms that are read; the content decides which."""

import os
from collections.abc import Callable
from pathlib import Path

from keras_vit.checkpoints.file_kinds import Kind, identify, refusal
from keras_vit.checkpoints.h5_file import read_h5
from keras_vit.checkpoints.npz_file import read_npz
from keras_vit.checkpoints.sharded_file import read_sharded
from keras_vit.checkpoints.tensor_file import read
from keras_vit.checkpoints.tensors import Tensors

_READERS: dict[Kind, Callable[[Path], Tensors]] = {
    Kind.SAFETENSORS: read,
    Kind.JSON: read_sharded,
    Kind.NPZ: read_npz,
    Kind.HDF5: read_h5,
}


def open_weights(path: str | os.PathLike[str]) -> Tensors:
    """Opens a .safetensors file, the index of a sharded one (.safetensors.index.json), an .npz or a .weights.h5 file.

    Raises:
        CheckpointError: The file is missing, is something else (named), is damaged, or claims what it cannot hold.
    """
    path = Path(path)
    kind = identify(path)
    if kind not in _READERS:
        raise refusal(path, kind, "a .safetensors file, its index, an .npz or a .weights.h5 file")
    return _READERS[kind](path)
