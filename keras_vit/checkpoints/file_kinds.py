"""Tells what a file holds by its first bytes, and says what to do about one that is not read."""

import re
import zipfile
from enum import Enum
from pathlib import Path, PurePosixPath

from keras_vit.checkpoints.errors import CheckpointError


class Kind(Enum):
    """What a file holds; the values end a sentence that starts "the file holds"."""

    SAFETENSORS = "safetensors"
    JSON = "JSON text"
    NPZ = "a ZIP archive of NumPy arrays (.npz)"
    HDF5 = "an HDF5 file (.h5)"
    PICKLE = "a Python pickle (.pkl, or an old PyTorch .bin/.pt/.pth)"
    PYTORCH = "a ZIP archive with a pickle inside (PyTorch .bin/.pt/.pth/.ckpt)"
    KERAS = "a ZIP archive of a whole Keras model (.keras)"
    TAR = "a tar archive (.tar, or a very old PyTorch .pt/.pth)"
    ZIP = "a ZIP archive, damaged or of another use"
    NPY = "a NumPy array (.npy)"
    GZIP = "gzip-compressed data"
    LFS_POINTER = "a Git LFS pointer, a few lines of text in place of the weights"
    HTML = "an HTML page"
    EMPTY = "nothing: it is empty"
    UNKNOWN = "something else, or a file cut short"


_START_BYTES = 512
_SIGNATURES = {
    b"PK\x03\x04": Kind.ZIP,
    b"PK\x05\x06": Kind.ZIP,  # an archive without members
    b"\x89HDF\r\n\x1a\n": Kind.HDF5,
    b"\x93NUMPY": Kind.NPY,
    b"\x1f\x8b": Kind.GZIP,
}
_TEXTS = {
    b"version https://git-lfs": Kind.LFS_POINTER,
    b"<!doctype": Kind.HTML,
    b"<html": Kind.HTML,
    b"<?xml": Kind.HTML,
    b"{": Kind.JSON,
    b"[": Kind.JSON,
}
# Protocols 2 to 5 name themselves; 0 and 1 start with a dict, a list or the name of what is to be called.
_PICKLE = re.compile(rb"\x80[\x02-\x05]|\((?:dp|lp)\d+\n|[}\]]q\x00|c[\w.]+\n[\w.]+\n")

_CAN_RUN_CODE = {Kind.PICKLE, Kind.PYTORCH, Kind.KERAS, Kind.TAR}
_UNCLEAR = {Kind.UNKNOWN, Kind.ZIP, Kind.GZIP}  # the name may say more than the content
_SUFFIXES_OF_PICKLES = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}
_ADVICE = {
    Kind.SAFETENSORS: "`keras_vit.checkpoints.open_weights` reads it.",
    Kind.NPZ: "`keras_vit.checkpoints.open_weights` reads it.",
    Kind.HDF5: "`keras_vit.checkpoints.open_weights` reads it.",
    Kind.JSON: "If it is the index of a sharded checkpoint, `keras_vit.checkpoints.open_weights` reads it.",
    Kind.GZIP: "Unpack it first.",
    Kind.ZIP: "Download it again, or unpack it first.",
    Kind.LFS_POINTER: "Fetch the content with `git lfs pull`, or download the file itself.",
    Kind.HTML: "The download brought an error or log-in page instead of the file; download it again.",
    Kind.EMPTY: "Download it again.",
}


def identify(path: Path) -> Kind:
    """Returns what a file holds; the content decides, not the name."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(f"Reading weights needs a file; {path} {found}.{_advice(path, Kind.UNKNOWN)}")
    with open(path, "rb") as file:
        start = file.read(_START_BYTES)
    other = _other_kind(path, start)
    # Other formats start with bytes that, read as the length of a header, fit no file; "{" settles the rest.
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and (other is Kind.UNKNOWN or length <= path.stat().st_size - 8):
        return Kind.SAFETENSORS
    return other


def refusal(path: Path, kind: Kind, needed: str) -> CheckpointError:
    """Returns the error for a file that holds something else than what is needed, such as "an .npz file"."""
    return CheckpointError(f"Reading weights needs {needed}; {path} holds {kind.value}.{_advice(path, kind)}")


def _other_kind(path: Path, start: bytes) -> Kind:
    if not start:
        return Kind.EMPTY
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return _kind_of_zip(path) if kind is Kind.ZIP else kind
    if _PICKLE.match(start):
        return Kind.PICKLE
    if start[257:262] == b"ustar":
        return Kind.TAR
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((kind for words, kind in _TEXTS.items() if text.startswith(words)), Kind.UNKNOWN)


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {PurePosixPath(name).name for name in archive.namelist()}
    except Exception:  # a damaged directory of members shows in many ways
        return Kind.ZIP
    if any(name.endswith(".pkl") for name in names):
        return Kind.PYTORCH
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return Kind.KERAS
    return Kind.NPZ if not names or any(name.endswith(".npy") for name in names) else Kind.ZIP


def _advice(path: Path, kind: Kind) -> str:
    if kind in _CAN_RUN_CODE or (kind in _UNCLEAR and path.suffix.lower() in _SUFFIXES_OF_PICKLES):
        beside = [path.with_suffix(".safetensors"), path.with_name("model.safetensors")]
        safe = next((str(other) for other in beside if other != path and other.is_file()), "model.safetensors")
        return f" Such files are never opened, because some can run code; use {safe} instead."
    return f" {_ADVICE[kind]}" if kind in _ADVICE else ""
