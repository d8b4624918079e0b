"""Files are told apart by content; what is not read is named, with what to do."""

import pickle
import zipfile

import numpy as np
import pytest

from keras_vit.checkpoints import CheckpointError
from keras_vit.checkpoints.file_kinds import Kind, identify, refusal


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x10" + bytes(7) + b"{}" + bytes(14), Kind.SAFETENSORS),
        (b"\x80\x02" + bytes(6) + b"{}" + b" " * 0x280, Kind.SAFETENSORS),  # its length starts like a pickle
        (b"PK\x03\x04" + bytes(60), Kind.ZIP),
        (b"PK\x05\x06" + bytes(18), Kind.NPZ),  # an archive without members
        (b"\x80\x02}q\x00X\x06\x00\x00\x00weightq\x01" + bytes(40), Kind.PICKLE),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", Kind.PICKLE),  # PyTorch before 1.6
        (b"cos\nmkdir\np0\n(Vharm\np1\ntp2\nRp3\n.", Kind.PICKLE),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), Kind.HDF5),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", Kind.NPY),
        (b"\x1f\x8b\x08\x00" + bytes(60), Kind.GZIP),
        (b"pickle\0".ljust(257, b"\0") + b"ustar\x0000" + bytes(247), Kind.TAR),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", Kind.LFS_POINTER),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", Kind.HTML),
        (b"\n<html><body>Sign in</body></html>", Kind.HTML),
        (b'{"error": "Repository not found"}', Kind.JSON),
        (b'{\n  "metadata": {\n    "total_size": 8\n  },\n', Kind.JSON),
        (b"", Kind.EMPTY),
        (b"\x10\x00", Kind.UNKNOWN),
        (bytes(100), Kind.UNKNOWN),
    ],
)
def test_content_tells_what_a_file_is(tmp_path, content, found):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert identify(path) is found


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [{"weight": [1.0]}, [1.0], {}, np.ones(2), np.float32], ids=repr)
def test_pickles_of_all_protocols_are_known(tmp_path, protocol, value):
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    assert identify(path) is Kind.PICKLE


@pytest.mark.parametrize(
    ("members", "found"),
    [
        (["archive/data.pkl", "archive/version", "archive/data/0"], Kind.PYTORCH),
        (["weights.npy", "data.pkl"], Kind.PYTORCH),
        (["metadata.json", "config.json", "model.weights.h5"], Kind.KERAS),
        (["params/embedding/bias.npy", "../../head.npy"], Kind.NPZ),
        (["weights.npy", "README.md"], Kind.NPZ),
        (["photograph.jpg"], Kind.ZIP),
    ],
)
def test_members_tell_zip_archives_apart(tmp_path, members, found):
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        for member in members:
            archive.writestr(member, b"content")
    assert identify(tmp_path / "file") is found


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.PTH", "last.ckpt", "weights.pkl"])
def test_files_named_like_pickles_get_the_safe_file_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(100))
    message = r"holds something else.* never opened, because some can run code; use model\.safetensors instead"
    with pytest.raises(CheckpointError, match=message):
        raise refusal(path, identify(path), "a safetensors file")
    with pytest.raises(CheckpointError, match="never opened"):
        identify(tmp_path / "missing" / name)


@pytest.mark.parametrize("beside", ["model.safetensors", "pytorch_model.safetensors"])
def test_the_safe_file_beside_a_pickle_is_named_in_full(tmp_path, beside):
    (tmp_path / beside).touch()
    assert f"use {tmp_path / beside} instead" in str(refusal(tmp_path / "pytorch_model.bin", Kind.PYTORCH, "weights"))


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (Kind.LFS_POINTER, "git lfs pull"),
        (Kind.HTML, "download it again"),
        (Kind.KERAS, "never opened"),
        (Kind.TAR, "never opened"),
        (Kind.NPZ, "open_weights` reads it"),
    ],
)
def test_a_refusal_says_what_to_do(tmp_path, kind, advice):
    assert advice in str(refusal(tmp_path / "model.safetensors", kind, "weights"))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors does not exist\.$"):
        identify(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        identify(tmp_path)
