"""One call opens all forms of weights; the content decides."""

import json
import os
import pickle
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from keras_vit.checkpoints import CheckpointError, write
from keras_vit.checkpoints.tensors import Tensors
from keras_vit.checkpoints.weights_file import open_weights

NUMBERS = np.arange(6, dtype="float32").reshape(2, 3)


def write_index(path):
    write(path.with_name("part.safetensors"), {"a/b": NUMBERS})
    path.write_text(json.dumps({"weight_map": {"a/b": "part.safetensors"}}))


def write_npz(path):
    np.savez(path.with_suffix(".npz"), **{"a/b": NUMBERS})
    shutil.move(path.with_suffix(".npz"), path)


def write_h5(path):
    with h5py.File(path, "w") as file:
        file["a/b"] = NUMBERS


WRITERS = [lambda path: write(path, {"a/b": NUMBERS}), write_index, write_npz, write_h5]


@pytest.mark.parametrize("writer", WRITERS, ids=["safetensors", "index", "npz", "h5"])
def test_every_form_is_opened_alike(tmp_path, writer):
    path = tmp_path / "blob"  # as the Hub's cache names files
    writer(path)
    with open_weights(os.fspath(path)) as tensors:
        assert isinstance(tensors, Tensors)
        assert (list(tensors), len(tensors), "a/b" in tensors, "c" in tensors) == (["a/b"], 1, True, False)
        assert (tensors.path, tensors.metadata.get("nothing")) == (path, None)
        assert (tensors.shape("a/b"), tensors.dtype("a/b")) == ((2, 3), "F32")
        array = tensors["a/b"]
        np.testing.assert_array_equal(array, NUMBERS)
        assert array.flags.writeable
        with pytest.raises(KeyError):
            tensors["c"]
    with pytest.raises(ValueError, match="is closed; read tensors inside its `with` block"):
        tensors["a/b"]
    tensors.close()  # once more is no error


@pytest.mark.parametrize("writer", WRITERS, ids=["safetensors", "index", "npz", "h5"])
def test_membership_and_shapes_read_no_numbers(tmp_path, writer, monkeypatch):
    path = tmp_path / "blob"
    writer(path)
    monkeypatch.setattr(Tensors, "__getitem__", None)
    with open_weights(path) as tensors:
        assert "a/b" in tensors
        assert tensors.shape("a/b") == (2, 3)


def test_what_can_run_code_is_never_opened(tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    harmful = pickle.dumps(Harmful())
    (tmp_path / "pytorch_model.bin").write_bytes(harmful)
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", harmful)
    np.savez(tmp_path / "weights.npz", weight=np.array([Harmful()], dtype=object))
    for name in ("pytorch_model.bin", "model.pt", "weights.npz"):
        with pytest.raises(CheckpointError, match="can run code"):
            open_weights(tmp_path / name)
    assert not (tmp_path / "harm").exists()


def test_other_files_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match=r"needs a \.safetensors file, its index.*holds a Git LFS pointer"):
        open_weights(path)
    path.write_text('{"error": "Repository not found"}')
    with pytest.raises(CheckpointError, match="is no index of a sharded checkpoint"):
        open_weights(path)
