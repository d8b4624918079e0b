"""Reads and writes .safetensors files: named arrays, nothing that could run."""

import contextlib
import json
import os
import re
import secrets
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from keras_vit.checkpoints.errors import CheckpointError

Array = NDArray[Any]
Shape = tuple[int, ...]

FLOAT_DTYPES = ("F16", "BF16", "F32", "F64")
# Whole numbers occur as buffers (index tables), which no variable reads: a file may hold them.
_OTHER_DTYPES = ("BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64")
_MAX_HEADER_BYTES = 25_000_000  # the Hub's own limit; the largest timm checkpoints need less than 1 % of it


class TensorFile(Mapping[str, Array]):
    """The tensors of an open .safetensors file; each is read from disk when it is asked for.

    Made by `read`. Closes at the end of a `with` block, or with `close()`.
    """

    def __init__(self, path: Path, handle: Any, header: dict[str, Any]) -> None:
        self.path = path
        self.metadata: dict[str, str] = dict(header.get("__metadata__", {}))
        self._handle = handle
        self._tensors = {name: info for name, info in header.items() if name != "__metadata__"}

    def __getitem__(self, name: str) -> Array:
        dtype = self.dtype(name)
        if dtype not in FLOAT_DTYPES:
            raise CheckpointError(
                f"{self.path}: {name!r} holds {dtype}; weights need one of {', '.join(FLOAT_DTYPES)}."
            )
        if self._handle is None:
            raise ValueError(f"{self!r} is closed; read tensors inside its `with` block.")
        try:
            return cast(Array, self._handle.get_tensor(name))
        except Exception as error:  # the library raises its own error type, ValueError and AttributeError
            raise CheckpointError(f"{self.path}: {name!r} cannot be read: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors  # the inherited one would read the tensor

    def __repr__(self) -> str:
        return f"TensorFile({str(self.path)!r}, {len(self)} tensors)"

    def shape(self, name: str) -> Shape:
        """Returns the shape of a tensor without reading it."""
        return tuple(self._tensors[name]["shape"])

    def dtype(self, name: str) -> str:
        """Returns the dtype of a tensor as the file spells it, such as "F32"."""
        return str(self._tensors[name]["dtype"])

    def close(self) -> None:
        """Lets go of the file; tensors cannot be read afterwards."""
        if self._handle is not None:
            self._handle.__exit__(None, None, None)
            self._handle = None

    def __enter__(self) -> "TensorFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: str | os.PathLike[str]) -> TensorFile:
    """Opens a .safetensors file; the content decides, not the name.

    Raises:
        CheckpointError: The file is missing, is something else (named), is damaged, repeats a name, or holds numbers
            of an unknown kind.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    header = _read_header(path)
    try:
        handle = safe_open(os.fspath(path), framework="np")
    except SafetensorError as error:
        raise CheckpointError(f"{path} is a damaged safetensors file: {error}") from error
    return TensorFile(path, handle, header)


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


def _read_header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(f"Reading weights needs a .safetensors file; {path} {found}.")
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(512)
        length = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else 0
        # Other formats start with bytes that, read as a length, fit no file; "{" settles the rest.
        if start[8:9] != b"{" or (length > size - 8 and _other_format(start)):
            raise CheckpointError(_refusal(path, start))
        if length > _MAX_HEADER_BYTES:
            raise CheckpointError(
                f"{path} claims a header of {length} bytes; {_MAX_HEADER_BYTES} are the most that is read."
            )
        if length > size - 8:
            raise CheckpointError(
                f"{path} is a damaged safetensors file: it ends inside its header ({size} bytes). Download it again."
            )
        file.seek(8)
        header = _parse_header(path, file.read(length))
    _check_header(path, header)
    return header


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):  # json would keep the last one silently
            repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
            raise CheckpointError(f"{path} is refused: its header repeats {', '.join(map(repr, repeated[:5]))}.")
        return fields

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=without_duplicates)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is a damaged safetensors file: its header is not valid JSON ({error})."
        ) from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} is a damaged safetensors file: its header is not a JSON object.")
    return header


def _check_header(path: Path, header: dict[str, Any]) -> None:
    for name, info in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(info, dict) or not isinstance(info.get("shape"), list):
            raise CheckpointError(f"{path} is a damaged safetensors file: {name!r} has no dtype and shape.")
        if info.get("dtype") not in FLOAT_DTYPES + _OTHER_DTYPES:
            raise CheckpointError(
                f"{path}: {name!r} holds {info.get('dtype')}; weights need one of {', '.join(FLOAT_DTYPES)}. "
                "Convert the file to one of these first."
            )


def _refusal(path: Path, start: bytes) -> str:
    found = _other_format(start)
    if found is None:
        found = "nothing: it is empty" if not start else "something else, or a file cut short"
    message = f"Reading weights needs a safetensors file; {path} holds {found}."
    if found.startswith("a Git LFS pointer"):
        return f"{message} Fetch the content with `git lfs pull`, or download the file itself."
    if found.startswith("an HTML page"):
        return f"{message} The download brought an error or log-in page instead of the file; download it again."
    if "pickle" in found or "HDF5" in found or "ZIP" in found:
        return f"{message} Such files are never opened, because some can run code; use model.safetensors instead."
    return message


def _other_format(start: bytes) -> str | None:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"PK\x03\x04"):
        return "a ZIP archive (PyTorch .bin/.pt/.pth, .keras or .npz)"
    if len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5:
        return "a Python pickle (.pkl, or an old PyTorch .bin/.pt/.pth)"
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "an HDF5 file (.h5)"
    if start.startswith(b"\x93NUMPY"):
        return "a NumPy array (.npy)"
    if start.startswith(b"\x1f\x8b"):
        return "gzip-compressed data"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, a few lines of text in place of the weights"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML page"
    if text.startswith((b"{", b"[")):
        return "JSON text"
    return None
