import sys

import numpy as np
import pytest

from keras_vit import checkpoints
from keras_vit.training.checkpoint_files import CheckpointFiles, Position


@pytest.fixture
def files(tmp_path) -> CheckpointFiles:
    return CheckpointFiles(tmp_path / "checkpoint")


def arrays(number: int) -> dict[str, np.ndarray]:
    return {"weights": np.full((20, 20), number, "float32"), "step": np.array(number, "int64")}


def test_newest_checkpoint_is_read_as_it_was_written(files):
    for batch in (2, 4, 10):
        files.write(Position(0, batch), arrays(batch), {"backend": "jax"})
    files.write(Position(1, 0), arrays(11), {"backend": "jax"})

    position, stored, metadata = files.read()

    assert position == (1, 0)
    assert metadata["backend"] == "jax"
    for name, array in arrays(11).items():
        np.testing.assert_array_equal(stored[name], array)
        assert stored[name].dtype == array.dtype
    assert files.positions() == [(1, 0), (0, 10)]  # and the one before


def test_nothing_is_read_where_there_is_nothing(files):
    assert files.read() is None


def test_what_a_killed_write_left_is_passed_over_and_removed(files):
    files.write(Position(0, 1), arrays(1), {})
    leftover = files.folder / ".epoch_000000_batch_00000002.safetensors.0a1b2c3d.partial"
    leftover.write_bytes(b"half")

    assert files.read()[0] == (0, 1)
    assert not leftover.exists()


@pytest.mark.parametrize("damage", [lambda data: data[:-4], lambda data: data[:-1] + b"\1", lambda data: b""])
def test_damaged_checkpoint_gives_way_to_the_one_before(files, damage):
    for batch in (1, 2):
        files.write(Position(0, batch), arrays(batch), {})
    newest = files.path(Position(0, 2))
    newest.write_bytes(damage(newest.read_bytes()))

    with pytest.warns(UserWarning, match="batch_00000002.safetensors is damaged"):
        assert files.read()[0] == (0, 1)
    assert files.positions() == [(0, 1)]

    oldest = files.path(Position(0, 1))
    oldest.write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(ValueError, match="needs a checkpoint; all in .* are damaged"),
    ):
        files.read()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to set")
def test_a_full_disk_leaves_the_checkpoint_before(files):
    import resource

    for batch in (1, 2):
        files.write(Position(0, batch), arrays(batch), {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="could not be written"):
            files.write(Position(0, 3), arrays(3), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert files.read()[0] == (0, 2)


def test_a_kill_while_writing_leaves_the_checkpoint_before(files, monkeypatch):
    class KilledError(BaseException):
        pass

    def kill(path, tensors, metadata):
        raise KilledError

    files.write(Position(0, 1), arrays(1), {})
    monkeypatch.setattr(checkpoints, "write", kill)
    with pytest.raises(KilledError):
        files.write(Position(0, 2), arrays(2), {})

    assert files.read()[0] == (0, 1)
