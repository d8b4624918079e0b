"""Sharded checkpoints: several files read as one, when they fit their index exactly."""

import json
import os
import sys

import numpy as np
import pytest

from keras_vit.checkpoints import CheckpointError, write
from keras_vit.checkpoints.sharded_file import read_sharded

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
TENSORS = {
    FIRST: {"embedding": np.arange(6, dtype="float32").reshape(2, 3)},
    SECOND: {"head.bias": np.array([1, 2], "float16"), "head.weight": np.ones((2, 2), "float32")},
}
WEIGHT_MAP = {name: shard for shard, tensors in TENSORS.items() for name in tensors}
INDEX = {"metadata": {"total_size": 44}, "weight_map": WEIGHT_MAP}

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a special right on Windows")


def write_index(folder, index=INDEX):
    path = folder / "model.safetensors.index.json"
    path.write_text(index if isinstance(index, str) else json.dumps(index))
    return path


@pytest.fixture
def index(tmp_path):
    """The index of a checkpoint in two shards."""
    for shard, tensors in TENSORS.items():
        write(tmp_path / shard, tensors)
    return write_index(tmp_path)


def test_shards_are_read_as_one(index):
    with read_sharded(os.fspath(index)) as stored:
        assert sorted(stored) == sorted(WEIGHT_MAP)
        assert stored.shape("head.weight") == (2, 2)
        assert stored.dtype("head.bias") == "F16"
        assert stored.metadata == {"format": "pt"}
        assert stored.path == index
        for shard, tensors in TENSORS.items():
            for name, array in tensors.items():
                assert WEIGHT_MAP[name] == shard
                assert stored[name].dtype == array.dtype
                np.testing.assert_array_equal(stored[name], array)


@pytest.mark.parametrize(
    "metadata", [None, {}, {"total_size": 44}, {"total_size": 48.0, "total_parameters": 12}, {"total_size": 80}]
)
def test_total_size_may_be_missing_or_counted_in_another_way(index, metadata):
    write_index(index.parent, {"metadata": metadata, "weight_map": WEIGHT_MAP})
    with read_sharded(index) as stored:
        assert len(stored) == 3


@pytest.mark.parametrize("total_size", [0, 10, 4_400, -44, True, "44", None, float("nan"), float("inf"), [44]])
def test_another_total_size_is_refused(index, total_size):
    write_index(index.parent, {"metadata": {"total_size": total_size}, "weight_map": WEIGHT_MAP})
    with pytest.raises(CheckpointError, match="claims total_size=.*they hold 44 bytes"):
        read_sharded(index)


@pytest.mark.parametrize(
    "shard",
    [
        "../model-00002-of-00002.safetensors",
        "/etc/model.safetensors",
        "C:\\model.safetensors",
        "sub/model.safetensors",
        "..",
        "",
        "model-00002-of-00002.safetensors\n",
        "pytorch_model-00002-of-00002.bin",
        "mödel.safetensors",
        "https://host/model.safetensors",
        2,
        None,
        [SECOND],
        {},
    ],
)
def test_only_bare_names_of_safetensors_files_are_shards(index, shard):
    write_index(index.parent, {"weight_map": {**WEIGHT_MAP, "head.weight": shard}})
    with pytest.raises(CheckpointError, match="shards need plain names .* for tensor 'head.weight'"):
        read_sharded(index)


@pytest.mark.parametrize("weight_map", [None, {}, [], "model.safetensors", 3])
def test_an_index_needs_a_weight_map(index, weight_map):
    write_index(index.parent, {"weight_map": weight_map})
    with pytest.raises(CheckpointError, match="is no index of a sharded checkpoint"):
        read_sharded(index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "not a JSON object"),
        ('{"weight_map": ', "not valid JSON"),
        ('{"weight_map": ' + "[" * 200_000, "not valid JSON"),
        ('{"weight_map": {"a": "b.safetensors", "a": "c.safetensors"}}', "its index repeats 'a'"),
        ('{"weight_map": {}, "weight_map": {}}', "its index repeats 'weight_map'"),
        ("<!doctype html>", "holds an HTML page"),
    ],
)
def test_a_damaged_index_is_refused(index, text, message):
    index.write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_sharded(index)


def test_a_huge_index_is_refused_before_it_is_read(index):
    os.truncate(index, 26_000_000)
    with pytest.raises(CheckpointError, match="an index of 26000000 bytes"):
        read_sharded(index)


def test_too_many_shards_are_refused(index):
    write_index(index.parent, {"weight_map": {f"t{number}": f"{number}.safetensors" for number in range(1001)}})
    with pytest.raises(CheckpointError, match="names 1001 shards; 1000 are the most"):
        read_sharded(index)


def test_all_missing_shards_are_named(index):
    for shard in TENSORS:
        (index.parent / shard).unlink()
    with pytest.raises(CheckpointError, match=f"missing beside it: {FIRST}, {SECOND}. Download the whole checkpoint"):
        read_sharded(index)


@pytest.mark.parametrize(
    ("shard", "tensors", "line"),
    [
        (SECOND, {"head.bias": np.ones(2, "float32")}, f"- in the index, not in {SECOND}: head.weight"),
        (FIRST, {**TENSORS[FIRST], "more": np.ones(1)}, rf"\+ in {FIRST}, not in the index for it: more"),
        (FIRST, {**TENSORS[FIRST], **TENSORS[SECOND]}, rf"\+ in {FIRST}, not in the index for it: head.bias"),
        (FIRST, TENSORS[SECOND], f"- in the index, not in {FIRST}: embedding"),
    ],
)
def test_tensors_must_be_exactly_where_the_index_says(index, shard, tensors, line):
    write(index.parent / shard, tensors)
    with pytest.raises(CheckpointError, match=rf"does not fit its shards(.|\n)*{line}"):
        read_sharded(index)


def test_long_lists_of_differences_are_cut(index):
    write(index.parent / FIRST, {f"t{number}": np.ones(1, "float32") for number in range(100)})
    with pytest.raises(CheckpointError, match=r"\.\.\. and 81 more$"):
        read_sharded(index)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\x80\x02}q\x00.", "a Python pickle"), (b"version https://git-lfs", "a Git LFS pointer"), (b"", "it is empty")],
)
def test_a_shard_that_is_something_else_is_refused(index, content, message):
    (index.parent / SECOND).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{SECOND} holds .*{message}"):
        read_sharded(index)


def test_a_damaged_shard_is_named(index):
    path = index.parent / SECOND
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(CheckpointError, match=f"{SECOND} is a damaged safetensors file"):
        read_sharded(index)


@needs_links
def test_links_of_the_hub_cache_are_followed(index):
    repository = index.parent / "models--owner--name"
    snapshot, blobs = repository / "snapshots" / "0123abc", repository / "blobs"
    for folder in (snapshot / "sub", blobs):
        folder.mkdir(parents=True)
    for number, name in enumerate([*TENSORS, index.name]):
        os.replace(index.parent / name, blobs / f"hash{number}")
        (snapshot / name).symlink_to(f"../../blobs/hash{number}")
        (snapshot / "sub" / name).symlink_to(f"../../../blobs/hash{number}")
    for folder in (snapshot, snapshot / "sub"):
        with read_sharded(folder / index.name) as stored:
            np.testing.assert_array_equal(stored["embedding"], TENSORS[FIRST]["embedding"])


@needs_links
@pytest.mark.parametrize("target", ["other", "snapshots/blobs", "blobs/deeper", "../blobs"])
def test_links_to_other_places_are_refused(index, target):
    snapshot, other = index.parent / "repository/snapshots/0123abc", index.parent / "repository" / target
    snapshot.mkdir(parents=True)
    other.mkdir(parents=True)
    for name in [*TENSORS, index.name]:
        os.replace(index.parent / name, snapshot / name)
    os.replace(snapshot / SECOND, other / SECOND)
    (snapshot / SECOND).symlink_to(other / SECOND)
    with pytest.raises(CheckpointError, match=f"links lead out of its folder: {SECOND}"):
        read_sharded(snapshot / index.name)


@needs_links
def test_links_within_the_folder_and_to_the_folder_are_followed(index):
    os.replace(index.parent / SECOND, index.parent / "stored")
    (index.parent / SECOND).symlink_to("stored")
    (index.parent / "folder").symlink_to(index.parent)
    with read_sharded(index.parent / "folder" / index.name) as stored:
        assert stored["head.bias"].tolist() == [1, 2]
