"""Reads .npz files, such as Google's ViT checkpoints: arrays in a ZIP archive, never a pickle."""

import math
import os
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.file_kinds import Kind, identify, refusal
from keras_vit.checkpoints.tensors import (
    FLOAT_DTYPES,
    Array,
    Shape,
    TensorInfo,
    Tensors,
    check_sizes,
    dtype_name,
    to_floats,
)

_MAX_MEMBERS = 10_000  # the largest checkpoints of ViTs, with the state of their optimizer, have about 1500
_CHUNK_BYTES = 2**20


class _Member(NamedTuple):
    """One array of the archive, as its own header describes it."""

    zip_info: zipfile.ZipInfo
    header_bytes: int
    dtype: np.dtype[Any]
    shape: Shape
    is_fortran: bool  # the first index runs fastest


class NpzFile(Tensors):
    """The arrays of an open .npz file. Made by `read_npz`.

    Names are the members' without ".npy", such as "Transformer/encoderblock_0/LayerNorm_0/bias".

    Args:
        path: The file.
        archive: The same, open.
        members: Its arrays by name, checked.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, members: Mapping[str, _Member]) -> None:
        super().__init__(
            path, {name: TensorInfo(_dtype_name(member.dtype) or "", member.shape) for name, member in members.items()}
        )
        self._archive = archive
        self._members = dict(members)

    def close(self) -> None:
        """Lets go of the file; arrays cannot be read afterwards."""
        super().close()
        self._archive.close()

    def _read(self, name: str) -> Array:
        member = self._members[name]
        array = np.empty(math.prod(member.shape), member.dtype)
        with self._archive.open(member.zip_info) as file:
            file.read(member.header_bytes)
            _fill(array.view("uint8"), file)
        return to_floats(array.reshape(member.shape, order="F" if member.is_fortran else "C"), self.dtype(name))


def read_npz(path: str | os.PathLike[str]) -> NpzFile:
    """Opens an .npz file and reads the headers of its arrays.

    Raises:
        CheckpointError: The file is missing, is something else (named), is damaged, repeats a name, holds anything but
            arrays of numbers, or claims more than it can hold.
    """
    path = Path(path)
    kind = identify(path)
    if kind is not Kind.NPZ:
        raise refusal(path, kind, "an .npz file")
    archive = zipfile.ZipFile(path)
    try:
        members = _read_members(path, archive)
    except BaseException:
        archive.close()
        raise
    return NpzFile(path, archive, members)


def _read_members(path: Path, archive: zipfile.ZipFile) -> dict[str, _Member]:
    infos = archive.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise CheckpointError(
            f"{path} is refused: it holds {len(infos)} arrays; {_MAX_MEMBERS} are the most that is read."
        )
    repeated = [name for name, count in Counter(info.filename for info in infos).items() if count > 1]
    if repeated:
        raise CheckpointError(f"{path} is refused: it repeats {', '.join(map(repr, repeated[:5]))}.")
    others = [info.filename for info in infos if not info.filename.endswith(".npy")]
    if others:
        raise CheckpointError(f"{path} is refused: an .npz file has only .npy members; it has {others[0]!r}.")
    # Members that overlap share their bytes: each alone looks harmless.
    stored = sum(info.compress_size for info in infos)
    if stored > path.stat().st_size:
        raise CheckpointError(f"{path} is refused: its members claim {stored} bytes, more than the file has.")
    check_sizes(path, {info.filename: (info.file_size, info.compress_size) for info in infos})
    return {info.filename.removesuffix(".npy"): _read_member(path, archive, info) for info in infos}


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    name = info.filename.removesuffix(".npy")
    try:
        with archive.open(info) as file:
            # Version 1.0 is enough for numbers, and its headers are short; the others may claim gigabytes.
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("its .npy format is not version 1.0")
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
            header_bytes = file.tell()
    except Exception as error:  # damage shows in many ways: in the archive, in the header, in its Python literals
        raise CheckpointError(f"{path} is damaged: {name!r} has no readable header ({error}).") from error
    if _dtype_name(dtype) is None:
        holds = "Python objects, which can run code" if dtype.hasobject else f"{dtype}"
        raise CheckpointError(
            f"{path} is refused: {name!r} holds {holds}; weights need one of {', '.join(FLOAT_DTYPES)}."
        )
    wanted = header_bytes + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or wanted != info.file_size:
        raise CheckpointError(
            f"{path} is damaged: {name!r} of shape {shape} needs {wanted} bytes; its member has {info.file_size}."
        )
    return _Member(info, header_bytes, dtype, shape, is_fortran)


def _dtype_name(dtype: np.dtype[Any]) -> str | None:
    # NumPy stores bfloat16 of other packages as two bytes without a meaning.
    return "BF16" if dtype == np.dtype("V2") else dtype_name(dtype)


def _fill(buffer: Array, file: IO[bytes]) -> None:
    """Fills bytes from a member piece by piece: read at once, they would be in memory twice."""
    for start in range(0, len(buffer), _CHUNK_BYTES):
        piece = buffer[start : start + _CHUNK_BYTES]
        if file.readinto(piece) != len(piece):  # type: ignore[attr-defined]  # typeshed: IO has no readinto
            raise EOFError("it ends early")
