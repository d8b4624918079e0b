"""Checkpoints in parts: they follow the rules of whole ones."""

import errno
import gc
import os
import shutil
import sys
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from keras_vit.training.checkpoint_files import CheckpointFiles, Position
from keras_vit.training.sharded_checkpoints import ShardedCheckpointFiles

# Orbax reads and writes many arrays at a time, and asks for the error of one; Python complains of the others when it
# finds them in its garbage.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def files(tmp_path) -> Iterator[ShardedCheckpointFiles]:
    if keras.config.backend() != "jax":
        pytest.skip("needs JAX")
    pytest.importorskip("orbax.checkpoint", reason="needs the extra `orbax`")
    yield ShardedCheckpointFiles(tmp_path / "checkpoint")
    gc.collect()  # here, not in a test after these, which has no such mark


def variables(number: int) -> dict[str, keras.Variable]:
    return {
        "weights/00000/kernel": keras.Variable(np.full((20, 20), number), dtype="float32"),
        "weights/00001/bias": keras.Variable(np.full(7, number), dtype="bfloat16"),
        "optimizer/00000/iteration": keras.Variable(number, dtype="int32", trainable=False),
    }


def write(files: CheckpointFiles, *positions: Position) -> None:
    for position in positions:
        files.write(position, files.values(variables(10 * position.epoch + position.batch)), {"backend": "jax"})


def test_newest_checkpoint_is_read_as_it_was_written(files):
    write(files, Position(0, 2), Position(0, 4), Position(1, 0))

    position, stored, metadata = files.read()

    assert position == (1, 0)
    assert metadata == {"backend": "jax"}
    assert stored.keys() == variables(0).keys()
    for name, variable in variables(10).items():
        np.testing.assert_array_equal(stored[name], np.asarray(variable.value))
        assert stored[name].dtype == np.asarray(variable.value).dtype
    assert files.positions() == [(1, 0), (0, 4)]  # and the one before


def test_nothing_is_read_where_there_is_nothing(files):
    assert files.read() is None


def test_what_a_killed_write_left_is_passed_over_and_removed(files):
    write(files, Position(0, 1))
    leftover = files.folder / f"{files.path(Position(0, 2)).name}.orbax-checkpoint-tmp"
    shutil.copytree(files.path(Position(0, 1)), leftover)

    assert files.read()[0] == (0, 1)
    assert not leftover.exists()


@pytest.mark.parametrize("part", ["_METADATA", "manifest.ocdbt", "d/*"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"\x5a" + data[1:]], ids=["empty", "changed"])
def test_damaged_checkpoint_gives_way_to_the_one_before(files, part, damage):
    write(files, Position(0, 1), Position(0, 2))
    for damaged in files.path(Position(0, 2)).glob(part):
        damaged.write_bytes(damage(damaged.read_bytes()))

    with pytest.warns(UserWarning, match=r"batch_00000002\.orbax is damaged"):
        assert files.read()[0] == (0, 1)
    assert files.positions() == [(0, 1)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to set")
def test_a_full_disk_leaves_the_checkpoint_before(files):
    import resource

    write(files, Position(0, 1), Position(0, 2))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(files, Position(0, 3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files.read()[0] == (0, 2)


def test_what_does_not_fit_on_the_disk_is_not_begun(files, monkeypatch):
    write(files, Position(0, 1), Position(0, 2))
    usage = shutil.disk_usage(files.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=20))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        write(files, Position(0, 3))
    assert files.read()[0] == (0, 2)


def test_checkpoints_of_the_other_kind_are_not_passed_over(files):
    write(CheckpointFiles(files.folder), Position(0, 1))
    with pytest.raises(ValueError, match="Resume without --sharded-checkpoints"):
        files.read()
    shutil.rmtree(files.folder)
    write(files, Position(0, 1))
    with pytest.raises(ValueError, match="Resume with --sharded-checkpoints"):
        CheckpointFiles(files.folder).read()


def test_other_backends_are_refused(tmp_path):
    if keras.config.backend() == "jax":
        pytest.skip("works on JAX")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"):
        ShardedCheckpointFiles(tmp_path)
