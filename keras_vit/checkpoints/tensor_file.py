"""Reads and writes .safetensors files: named arrays, nothing that could run."""

import contextlib
import json
import math
import os
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.file_kinds import Kind, identify, refusal
from keras_vit.checkpoints.tensors import FLOAT_DTYPES, ITEM_BYTES, Array, TensorInfo, Tensors, to_floats

_NUMPY_DTYPES = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}
_MAX_HEADER_BYTES = 25_000_000  # the Hub's own limit; the largest timm checkpoints need less than 1 % of it


class TensorFile(Tensors):
    """The tensors of an open .safetensors file. Made by `read`.

    Args:
        path: The file.
        file: The same, open and past its header, where the numbers start.
        header: What the header says, checked.
    """

    def __init__(self, path: Path, file: BinaryIO, header: dict[str, Any]) -> None:
        tensors = {name: info for name, info in header.items() if name != "__metadata__"}
        infos = {name: TensorInfo(info["dtype"], tuple(info["shape"])) for name, info in tensors.items()}
        super().__init__(path, infos, header.get("__metadata__"))
        start = file.tell()
        self._file = file
        self._starts = {name: start + info["data_offsets"][0] for name, info in tensors.items()}

    def close(self) -> None:
        """Lets go of the file; tensors cannot be read afterwards."""
        super().close()
        self._file.close()

    def _read(self, name: str) -> Array:
        # Read, not mapped: JAX takes a map as it is for a variable's value, which would then change with the file. And
        # where a file shrinks or a network fails, touching a map ends the process.
        dtype, shape = self._infos[name]
        array = np.empty(math.prod(shape), _NUMPY_DTYPES[dtype])
        self._file.seek(self._starts[name])
        if self._file.readinto(array) != array.nbytes:  # type: ignore[attr-defined]  # typeshed: IO has no readinto
            raise EOFError("the file has become shorter since it was opened")
        return to_floats(array.reshape(shape), dtype)


def read(path: str | os.PathLike[str]) -> TensorFile:
    """Opens a .safetensors file; the content decides, not the name.

    Raises:
        CheckpointError: The file is missing, is something else (named), is damaged, repeats a name, or holds numbers
            of an unknown kind.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    kind = identify(path)
    if kind is not Kind.SAFETENSORS:
        raise refusal(path, kind, "a safetensors file")
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(open(path, "rb"))
        header = _read_header(path, file)
        try:
            with safe_open(os.fspath(path), framework="np"):  # checks that the tensors fill the file exactly
                pass
        except SafetensorError as error:
            raise CheckpointError(f"{path} is a damaged safetensors file: {error}") from error
        opened.pop_all()  # it stays open
    return TensorFile(path, file, header)


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a .safetensors file: complete under its name, or not at all.

    Args:
        path: The file; one that exists is replaced at the very end.
        tensors: Arrays by name.
        metadata: Strings by name; "format: pt", which timm and transformers ask for, is always added.

    Raises:
        OSError: The folder is missing or read-only, or the disk is full; what was at `path` is unchanged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = Path(path)
    # The library copies raw memory: an array that is a transposed view would be stored wrongly.
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in tensors.items()}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        save_file(arrays, os.fspath(temporary), metadata={**(metadata or {}), "format": "pt"})
        os.chmod(temporary, mode)  # the library makes files that only their owner can read
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise _write_error(path, error.errno, error.strerror or str(error)) from error
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))  # it reports a full disk in words only
        raise _write_error(path, int(code[1]) if code else None, str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_error(path: Path, code: int | None, reason: str) -> OSError:
    kept = "The file that was there is unchanged." if os.path.exists(path) else "Nothing was left behind."
    message = f"{path} could not be written: {os.strerror(code) if code else reason}. {kept}"
    return OSError(code, message) if code else OSError(message)


def parse_json(path: Path, text: bytes, name: str) -> dict[str, Any]:
    """Returns the JSON object in a file's text; `name` says in errors what the text is."""

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):  # json would keep the last one silently
            repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
            raise CheckpointError(f"{path} is refused: its {name} repeats {', '.join(map(repr, repeated[:5]))}.")
        return fields

    try:
        parsed = json.loads(text.decode("utf-8"), object_pairs_hook=without_duplicates)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its {name} is not valid JSON ({error}).") from error
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{path} is damaged: its {name} is not a JSON object.")
    return parsed


def _read_header(path: Path, file: BinaryIO) -> dict[str, Any]:
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if length > _MAX_HEADER_BYTES:
        raise CheckpointError(
            f"{path} claims a header of {length} bytes; {_MAX_HEADER_BYTES} are the most that is read."
        )
    if length > size - 8:
        raise CheckpointError(
            f"{path} is a damaged safetensors file: it ends inside its header ({size} bytes). Download it again."
        )
    header = parse_json(path, file.read(length), "header")
    for name, info in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(info, dict) or not isinstance(info.get("shape"), list):
            raise CheckpointError(f"{path} is a damaged safetensors file: {name!r} has no dtype and shape.")
        dtype = info.get("dtype")
        if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
            raise CheckpointError(
                f"{path}: {name!r} holds {dtype}; weights need one of {', '.join(FLOAT_DTYPES)}. "
                "Convert the file to one of these first."
            )
    return header
