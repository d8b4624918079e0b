"""Reads a checkpoint that is cut into several .safetensors files, by its index."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.file_kinds import Kind, identify, refusal
from keras_vit.checkpoints.tensor_file import TensorFile, parse_json, read
from keras_vit.checkpoints.tensors import Array, Tensors

_SHARD_NAME = re.compile(r"[\w.-]+\.safetensors", re.ASCII)  # a bare name: no folder, no way out of this one
_MAX_SHARDS = 1000
_MAX_INDEX_BYTES = 25_000_000
_MAX_LINES = 20  # of an error; an index of another checkpoint would fill the screen otherwise


class ShardedFile(Tensors):
    """The tensors of several .safetensors files as if they were in one. Made by `read_sharded`.

    Args:
        path: The index.
        shards: The open files by name.
        weight_map: For each tensor the name of its file.
    """

    def __init__(self, path: Path, shards: Mapping[str, TensorFile], weight_map: Mapping[str, str]) -> None:
        infos = {name: shards[shard].info(name) for name, shard in weight_map.items()}
        metadata = {key: value for shard in shards.values() for key, value in shard.metadata.items()}
        super().__init__(path, infos, metadata)
        self._shards = dict(shards)
        self._weight_map = dict(weight_map)

    def close(self) -> None:
        """Lets go of all files; tensors cannot be read afterwards."""
        super().close()
        for shard in self._shards.values():
            shard.close()

    def _read(self, name: str) -> Array:
        return self._shards[self._weight_map[name]][name]


def read_sharded(path: str | os.PathLike[str]) -> ShardedFile:
    """Opens all files that an index, such as model.safetensors.index.json, names.

    Raises:
        CheckpointError: The index or a shard is missing, damaged or something else, or they do not fit each other.
    """
    path = Path(path)
    index = _read_index(path)
    weight_map = _check_weight_map(path, index.get("weight_map"))
    names = sorted(set(weight_map.values()))
    _check_places(path, names)
    with contextlib.ExitStack() as opened:
        shards = {name: opened.enter_context(read(path.with_name(name))) for name in names}
        _check_shards(path, shards, weight_map)
        sharded = ShardedFile(path, shards, weight_map)
        _check_total_size(path, index.get("metadata"), sum(sharded.info(name).num_bytes for name in sharded))
        opened.pop_all()  # all is well: the files stay open
    return sharded


def _read_index(path: Path) -> dict[str, Any]:
    kind = identify(path)
    if kind is not Kind.JSON:
        raise refusal(path, kind, "the index of a sharded checkpoint, JSON text")
    size = path.stat().st_size
    if size > _MAX_INDEX_BYTES:
        raise CheckpointError(f"{path} is an index of {size} bytes; {_MAX_INDEX_BYTES} are the most that is read.")
    return parse_json(path, path.read_bytes(), "index")


def _check_weight_map(path: Path, weight_map: Any) -> dict[str, str]:
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(
            f'{path} is no index of a sharded checkpoint: it has no "weight_map" with a file per tensor.'
        )
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not _SHARD_NAME.fullmatch(shard):
            raise CheckpointError(
                f"{path} is refused: shards need plain names such as 'model-00001-of-00002.safetensors' beside the "
                f"index; got {shard!r} for tensor {name!r}."
            )
    num_shards = len(set(weight_map.values()))
    if num_shards > _MAX_SHARDS:
        raise CheckpointError(
            f"{path} is refused: it names {num_shards} shards; {_MAX_SHARDS} are the most that is read."
        )
    return weight_map


def _check_places(path: Path, names: list[str]) -> None:
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path} names {len(names)} shards; missing beside it: {', '.join(_shortened(missing))}. "
            "Download the whole checkpoint."
        )
    outside = [name for name in names if not _is_inside(path.with_name(name).resolve(), path.parent.resolve())]
    if outside:
        raise CheckpointError(
            f"{path} is refused: links lead out of its folder: {', '.join(_shortened(outside))}. Copy the files there."
        )


def _is_inside(shard: Path, folder: Path) -> bool:
    """Tells whether a shard, links followed, lies in the folder or in the Hub's cache that the folder is part of."""
    if shard.is_relative_to(folder):
        return True
    # The cache keeps REPOSITORY/snapshots/COMMIT/NAME as links to REPOSITORY/blobs/HASH.
    snapshots = [parent for parent in folder.parents if parent.name == "snapshots"]
    return any(shard.parent == parent.with_name("blobs") for parent in snapshots)


def _check_shards(path: Path, shards: Mapping[str, TensorFile], weight_map: Mapping[str, str]) -> None:
    lines = [
        f"- in the index, not in {shard}: {name}" for name, shard in weight_map.items() if name not in shards[shard]
    ]
    lines += [
        f"+ in {shard}, not in the index for it: {name}"
        for shard, tensors in shards.items()
        for name in tensors
        if weight_map.get(name) != shard
    ]
    if lines:
        listing = "\n".join(f"  {line}" for line in _shortened(lines))
        raise CheckpointError(f"{path} does not fit its shards; download all files of one version:\n{listing}")


def _check_total_size(path: Path, metadata: Any, found: int) -> None:
    """Compares what the index claims; writers count shared and converted tensors differently, so only roughly."""
    if metadata is None:
        return
    claimed = metadata.get("total_size", found) if isinstance(metadata, dict) else metadata
    is_number = isinstance(claimed, int | float) and not isinstance(claimed, bool)
    if not is_number or not found / 2 <= claimed <= 2 * found:
        raise CheckpointError(
            f"{path} does not fit its shards: it claims total_size={claimed!r}, they hold {found} bytes. "
            "Download all files of one version."
        )


def _shortened(lines: list[str]) -> Iterator[str]:
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"... and {len(lines) - _MAX_LINES} more"
