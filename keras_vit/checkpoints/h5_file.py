"""Reads Keras' .weights.h5 files: the numbers alone, from a file that refers to nothing outside itself."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.file_kinds import Kind, identify, refusal
from keras_vit.checkpoints.tensors import FLOAT_DTYPES, Array, TensorInfo, Tensors, check_sizes, dtype_name, to_floats

_FILTERS = {1, 2, 3}  # gzip, shuffle, checksum: part of HDF5 itself; others may be libraries that it loads


class H5File(Tensors):
    """The datasets of an open HDF5 file. Made by `read_h5`.

    Names are their paths in the file, such as "layers/dense/vars/0".

    Args:
        path: The file.
        file: The same, open.
        infos: What is known of each dataset, checked.
    """

    def __init__(self, path: Path, file: Any, infos: Mapping[str, TensorInfo]) -> None:
        super().__init__(path, infos)
        self._file = file

    def close(self) -> None:
        """Lets go of the file; datasets cannot be read afterwards."""
        super().close()
        self._file.close()

    def _read(self, name: str) -> Array:
        return to_floats(self._file[name][()], self.dtype(name))


def read_h5(path: str | os.PathLike[str]) -> H5File:
    """Opens an HDF5 file of weights and looks at all its datasets, without reading them.

    Raises:
        CheckpointError: The file is missing, is something else (named), is damaged, is a whole model, refers to other
            files or places, holds anything but numbers, or claims more than is stored.
    """
    import h5py

    path = Path(path)
    kind = identify(path)
    if kind is not Kind.HDF5:
        raise refusal(path, kind, "an HDF5 file of weights")
    try:
        file = h5py.File(path, "r")
    except Exception as error:
        raise CheckpointError(f"{path} is a damaged HDF5 file: {error}") from error
    try:
        return H5File(path, file, _read_infos(path, file))
    except BaseException as error:
        file.close()
        if isinstance(error, CheckpointError) or not isinstance(error, Exception):
            raise
        # h5py has no error of its own: damage shows as OSError, KeyError, RuntimeError, TypeError and others.
        raise CheckpointError(f"{path} is a damaged HDF5 file: {error}") from error


def _read_infos(path: Path, file: Any) -> dict[str, TensorInfo]:
    if "model_config" in file.attrs:
        raise CheckpointError(
            f"{path} is refused: it holds a whole Keras model, which can run code; save its weights alone, as "
            "NAME.weights.h5."
        )
    datasets = dict(_walk(path, file))
    infos = {name: TensorInfo(_check_dataset(path, name, dataset), dataset.shape) for name, dataset in datasets.items()}
    check_sizes(path, {name: _sizes(path, name, dataset) for name, dataset in datasets.items()})
    return infos


def _walk(path: Path, file: Any) -> Iterator[tuple[str, Any]]:
    """Yields all datasets by name, following no link but those to objects in this file, and to each object once."""
    import h5py

    seen = {h5py.h5o.get_info(file.id).addr}
    groups = [("", file)]
    while groups:
        prefix, group = groups.pop()
        for key in group:
            name = f"{prefix}{key}"
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise CheckpointError(
                    f"{path} is refused: {name!r} is a link ({type(link).__name__}) to another place."
                )
            item = group[key]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:  # also a group that contains itself
                raise CheckpointError(f"{path} is refused: {name!r} is another name of an object that has one.")
            seen.add(address)
            if isinstance(item, h5py.Group):
                groups.append((f"{name}/", item))
            elif isinstance(item, h5py.Dataset):
                yield name, item
            else:
                raise CheckpointError(
                    f"{path} is refused: {name!r} is a {type(item).__name__}, neither group nor numbers."
                )


def _check_dataset(path: Path, name: str, dataset: Any) -> str:
    """Returns the dtype in our words, of a dataset that has its numbers in this file."""
    if dataset.is_virtual or dataset.external:
        raise CheckpointError(f"{path} is refused: the numbers of {name!r} are in other files.")
    # Keras stores bfloat16 as two bytes without a meaning, and this note.
    is_bfloat16 = dataset.dtype == "V2" and dataset.attrs.get("dtype") == "bfloat16"
    dtype = "BF16" if is_bfloat16 else dtype_name(dataset.dtype)
    if dtype is None or dataset.shape is None:
        holds = "nothing" if dataset.shape is None else dataset.dtype
        raise CheckpointError(
            f"{path} is refused: {name!r} holds {holds}; weights need one of {', '.join(FLOAT_DTYPES)}."
        )
    return dtype


def _sizes(path: Path, name: str, dataset: Any) -> tuple[int, int]:
    """Returns the bytes that reading a dataset takes in memory, and those that are stored."""
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
    if filters - _FILTERS:
        raise CheckpointError(f"{path} is refused: {name!r} is compressed in another way than gzip.")
    stored = dataset.id.get_storage_size()
    if not dataset.chunks:
        return dataset.size * dataset.dtype.itemsize, stored
    num_chunks = math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    if dataset.id.get_num_chunks() < num_chunks:  # the others would be filled with one value
        raise CheckpointError(f"{path} is refused: {name!r} of shape {dataset.shape} is not stored in full.")
    return num_chunks * math.prod(dataset.chunks) * dataset.dtype.itemsize, stored
