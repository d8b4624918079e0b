"""Tensors: what every reader of weights returns, arrays by name, each read from disk when it is asked for."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from keras_vit.checkpoints.errors import CheckpointError

Array = NDArray[Any]
Shape = tuple[int, ...]

FLOAT_DTYPES = ("F16", "BF16", "F32", "F64")
# Bytes of one number. Files may have whole numbers: buffers (index tables, seeds), which no variable reads.
ITEM_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "BOOL": 1} | {
    f"{kind}{bits}": bits // 8 for kind in "IU" for bits in (8, 16, 32, 64)
}

_MAX_TOTAL_BYTES = 64 * 2**30  # the largest published image models need less than a quarter of it
_MAX_DEFLATE = 1032  # to 1, the most that this compression can reach: https://zlib.net/zlib_tech.html
_MAX_COMPRESSION = 100  # to 1, of whole files; random weights reach 1.1 to 1, but one head of zeros is not unusual
_SMALL_BYTES = 2**30  # a file that claims no more than this may be all zeros


class TensorInfo(NamedTuple):
    """What is known of a tensor before it is read; the dtype in the words of safetensors, such as "F32"."""

    dtype: str
    shape: Shape

    @property
    def num_bytes(self) -> int:
        """Size in the file, without compression."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


class Tensors(Mapping[str, Array]):
    """The tensors of an open file of weights; each is read from disk when it is asked for, and not kept.

    Arrays are new, writable and in the machine's byte order. bfloat16, which NumPy lacks, becomes float32, exactly.
    Closes at the end of a `with` block, or with `close()`.

    Args:
        path: The file; of a sharded checkpoint its index.
        infos: What is known of each tensor.
        metadata: Strings that the file carries beside the tensors.
    """

    def __init__(self, path: Path, infos: Mapping[str, TensorInfo], metadata: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.metadata: dict[str, str] = dict(metadata or {})
        self._infos = dict(infos)
        self._is_closed = False

    def __getitem__(self, name: str) -> Array:
        dtype = self.dtype(name)
        if dtype not in FLOAT_DTYPES:
            raise CheckpointError(
                f"{self.path}: {name!r} holds {dtype}; weights need one of {', '.join(FLOAT_DTYPES)}."
            )
        if self._is_closed:
            raise ValueError(f"{self!r} is closed; read tensors inside its `with` block.")
        try:
            return self._read(name)
        except CheckpointError:
            raise
        except Exception as error:  # damage shows in many ways; zlib, HDF5 and NumPy have errors of their own
            raise CheckpointError(f"{self.path}: {name!r} cannot be read: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __contains__(self, name: object) -> bool:
        return name in self._infos  # the inherited one would read the tensor

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {len(self)} tensors)"

    def info(self, name: str) -> TensorInfo:
        """Returns what is known of a tensor without reading it."""
        return self._infos[name]

    def shape(self, name: str) -> Shape:
        """Returns the shape of a tensor without reading it."""
        return self.info(name).shape

    def dtype(self, name: str) -> str:
        """Returns the dtype of a tensor in the file, such as "F32" or "BF16", without reading it."""
        return self.info(name).dtype

    def close(self) -> None:
        """Lets go of the file; tensors cannot be read afterwards."""
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _read(self, name: str) -> Array:
        """Returns a tensor of floats; any error becomes a CheckpointError."""


def to_floats(array: Array, dtype: str) -> Array:
    """Turns numbers as they are stored into floats of NumPy's own; bfloat16 comes as any dtype of two bytes."""
    if dtype != "BF16":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    bits = array.view("uint16").astype("uint32")
    bits <<= 16  # bfloat16 is the upper half of float32
    return bits.view("float32")


def dtype_name(dtype: np.dtype[Any]) -> str | None:
    """Returns what safetensors calls a NumPy dtype of plain numbers, and None for any other."""
    if dtype.kind == "b":
        return "BOOL"
    name = f"{dtype.kind.upper()}{8 * dtype.itemsize}"
    return name if dtype.kind in "fiu" and name in ITEM_BYTES else None


def check_sizes(path: Path, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Refuses a compressed file that claims more than it can hold: reading it would fill the memory.

    Args:
        path: The file.
        sizes: For each tensor the bytes it claims in memory, and those that are stored.
    """
    for name, (claimed, stored) in sizes.items():
        if claimed > _MAX_DEFLATE * stored:
            raise CheckpointError(
                f"{path} is refused: {name!r} claims {claimed} bytes; the {stored} that are stored cannot grow so far."
            )
    total, file_bytes = sum(claimed for claimed, _ in sizes.values()), path.stat().st_size
    if total > _MAX_TOTAL_BYTES:
        raise CheckpointError(
            f"{path} is refused: it claims {total} bytes; {_MAX_TOTAL_BYTES} are the most that is read."
        )
    if total > max(_SMALL_BYTES, _MAX_COMPRESSION * file_bytes):
        raise CheckpointError(
            f"{path} is refused: it claims {total} bytes in a file of {file_bytes}; weights cannot shrink so far."
        )
