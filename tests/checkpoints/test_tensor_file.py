"""Reading and writing .safetensors: what other tools read and write, and what is refused."""

import json
import os
import stat
import struct
import sys

import ml_dtypes
import numpy as np
import pytest

from keras_vit import checkpoints
from keras_vit.checkpoints import CheckpointError, read, write


def raw_file(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def floats(count, start=0):
    return {"dtype": "F32", "shape": [count], "data_offsets": [start, start + 4 * count]}


@pytest.fixture
def weights(tmp_path):
    return tmp_path / "model.safetensors"


# What is written.


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_come_back_as_they_were(weights, dtype):
    tensors = {
        "matrix": np.arange(6).reshape(2, 3).astype(dtype),
        "scalar": np.array(2.5, dtype),
        "none": np.zeros((2, 0), dtype),
    }
    write(weights, tensors)
    with read(weights) as stored:
        assert sorted(stored) == ["matrix", "none", "scalar"]
        for name, array in tensors.items():
            assert stored[name].dtype == array.dtype
            assert stored.shape(name) == array.shape
            np.testing.assert_array_equal(stored[name], array)


def test_bfloat16_comes_back_as_float32(weights):
    numbers = np.array([[1.0, -2.5], [3e38, 1e-40]]).astype(ml_dtypes.bfloat16)
    write(weights, {"matrix": numbers, "scalar": np.array(2.5, ml_dtypes.bfloat16)})
    with read(weights) as stored:
        assert stored.dtype("matrix") == "BF16"
        assert stored["matrix"].dtype == np.float32
        np.testing.assert_array_equal(stored["matrix"], numbers.astype("float32"))
        assert stored["scalar"].shape == ()


def test_the_safetensors_library_reads_what_is_written(weights):
    from safetensors.numpy import load_file

    array = np.arange(24, dtype="float32").reshape(2, 3, 4)
    write(
        weights, {"transposed": array.transpose(2, 0, 1), "every_second": array[..., ::2], "big": array.astype(">f4")}
    )
    stored = load_file(weights)
    np.testing.assert_array_equal(stored["transposed"], array.transpose(2, 0, 1))
    np.testing.assert_array_equal(stored["every_second"], array[..., ::2])
    np.testing.assert_array_equal(stored["big"], array)


def test_the_format_is_always_named(weights):
    write(weights, {"a": np.zeros(1, "float32")}, metadata={"origin": "here", "format": "np"})
    with read(weights) as stored:
        assert stored.metadata == {"origin": "here", "format": "pt"}


def test_a_file_is_readable_for_whom_the_system_says(weights):
    other = weights.with_name("other")
    other.touch()
    write(weights, {"a": np.zeros(1, "float32")})
    assert stat.S_IMODE(weights.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_an_older_file_is_replaced(weights):
    write(weights, {"a": np.zeros(1, "float32")})
    write(weights, {"b": np.ones(1, "float32")})
    with read(weights) as stored:
        assert list(stored) == ["b"]
    assert os.listdir(weights.parent) == [weights.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to set")
def test_a_full_disk_leaves_the_old_file(weights):
    import resource

    write(weights, {"a": np.zeros(1, "float32")})
    before = weights.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"model\.safetensors could not be written: .*unchanged") as error:
            write(weights, {"a": np.zeros(1000, "float32")})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno is not None
    assert weights.read_bytes() == before
    assert os.listdir(weights.parent) == [weights.name]


def test_an_interrupted_write_leaves_the_old_file(weights, monkeypatch):
    write(weights, {"a": np.zeros(1, "float32")})
    before = weights.read_bytes()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(weights, {"a": np.ones(1, "float32")})
    assert weights.read_bytes() == before
    assert os.listdir(weights.parent) == [weights.name]


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors could not be written: .*Nothing was left behind"):
        write(tmp_path / "missing" / "model.safetensors", {"a": np.zeros(1, "float32")})


# What is read.


def test_tensors_are_a_mapping(weights):
    write(weights, {"a": np.zeros(2, "float32"), "b": np.zeros((3, 1), "float16")})
    with read(weights) as stored:
        assert len(stored) == 2
        assert "a" in stored
        assert "c" not in stored
        assert stored.get("c") is None
        assert stored.dtype("b") == "F16"
        with pytest.raises(KeyError):
            stored["c"]
    with pytest.raises(ValueError, match="is closed"):
        stored["a"]


def test_a_file_of_another_name_is_read_by_its_content(tmp_path):
    path = tmp_path / "blob"  # as the Hub's cache names files
    write(path, {"a": np.ones(2, "float32")})
    with read(str(path)) as stored:
        np.testing.assert_array_equal(stored["a"], np.ones(2))


def test_numbers_may_start_anywhere(weights):
    header = {"half": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}, "single": floats(2, 2)}
    raw_file(weights, header, np.float16(3).tobytes() + np.array([1, 2], "<f4").tobytes())
    with read(weights) as stored:
        assert stored["half"].tolist() == [3]
        assert stored["single"].tolist() == [1, 2]


def test_arrays_are_independent_of_the_file(weights):
    write(weights, {"a": np.ones(2, "float32")})
    with read(weights) as stored:
        array = stored["a"]
        array += 1
        np.testing.assert_array_equal(stored["a"], np.ones(2))
    weights.write_bytes(b"")
    np.testing.assert_array_equal(array, np.full(2, 2))


def test_a_file_that_shrinks_while_open_is_an_error(weights):
    write(weights, {"a": np.ones(100_000, "float32")})
    with read(weights) as stored:
        os.truncate(weights, 1000)
        with pytest.raises(CheckpointError, match="'a' cannot be read: the file has become shorter"):
            stored["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory has another unit elsewhere")
def test_one_tensor_is_read_without_the_others(weights, run_python):
    write(weights, {"large": np.zeros(50_000_000, "float32"), "small": np.ones(1, "float32")})
    code = """
        import resource, sys
        sys.argv[0] = "keras-vit"  # by which the package waits with importing Keras, as for the command line
        from keras_vit.checkpoints import read
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with read(sys.argv[1]) as stored:
            stored["small"], stored.shape("large"), "large" in stored
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    assert int(run_python(code.replace("\n        ", "\n"), weights)) * 1024 < 50_000_000


def test_metadata_of_a_file_without_any_is_empty(weights):
    raw_file(weights, {"a": floats(1)}, bytes(4))
    with read(weights) as stored:
        assert stored.metadata == {}


def test_whole_numbers_are_refused_only_when_asked_for(weights):
    header = {"index": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}, "weight": floats(1, 8)}
    raw_file(weights, header, bytes(12))
    with read(weights) as stored:
        assert stored["weight"].shape == (1,)
        with pytest.raises(CheckpointError, match="'index' holds I64; weights need one of F16, BF16, F32, F64"):
            stored["index"]


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F4", "C64", "QQ", None, ["F32"]])
def test_unknown_dtypes_are_refused(weights, dtype):
    raw_file(weights, {"a": {"dtype": dtype, "shape": [8], "data_offsets": [0, 8]}}, bytes(8))
    with pytest.raises(CheckpointError, match="'a' holds"):
        read(weights)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "needs a safetensors file; .* it is empty"),
        (b"\x10\x00", "cut short"),
        (bytes(100), "something else"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "an HDF5 file.*open_weights"),
        (b'{"weight_map": {}}', "JSON text.*open_weights"),
    ],
)
def test_other_formats_are_refused_by_name(weights, content, message):
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as error:
        read(weights)
    assert str(weights) in str(error.value)


def test_a_pickle_is_never_opened(weights, tmp_path):
    import pickle

    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    weights.write_bytes(pickle.dumps({"weight": Harmful()}))
    with pytest.raises(CheckpointError, match=r"pickle.*never opened.*use model\.safetensors"):
        read(weights)
    assert not (tmp_path / "harm").exists()


def test_a_header_of_the_length_a_pickle_starts_with_is_read(weights):
    header = json.dumps({"a": floats(1)}).encode()
    raw_file(weights, header + b" " * (0x280 - len(header)), bytes(4))  # the first bytes are then 80 02
    with read(weights) as stored:
        assert list(stored) == ["a"]


def test_repeated_names_are_refused(weights):
    info = json.dumps(floats(1))
    raw_file(weights, f'{{"a": {info}, "b": {info}, "a": {info}}}'.encode(), bytes(8))
    with pytest.raises(CheckpointError, match="repeats 'a'"):
        read(weights)


def test_a_huge_header_is_refused_before_it_is_read(weights):
    raw_file(weights, b"{" + b" " * 100, length=26_000_000)
    with pytest.raises(CheckpointError, match="claims a header of 26000000 bytes"):
        read(weights)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": floats(2)}, bytes(4)),  # truncated
        ({"a": floats(1)}, bytes(12)),  # trailing bytes
        ({"a": floats(1), "b": floats(1)}, bytes(4)),  # overlap
        ({"a": floats(1), "b": floats(1, 8)}, bytes(12)),  # hole
        ({"a": {**floats(1), "shape": [-1]}}, bytes(4)),
        ({"a": {**floats(1), "shape": [3]}}, bytes(4)),
        ({"a": {**floats(1), "shape": [2**40, 2**40]}}, bytes(4)),
        ({"a": {**floats(1), "shape": "1"}}, bytes(4)),
        ({"a": [1, 2]}, b""),
        ({"__metadata__": {"format": 1}, "a": floats(1)}, bytes(4)),
        ({"__metadata__": [], "a": floats(1)}, bytes(4)),
        (b'{"a": ', b""),
        (b'{"a\xff": 1}', b""),
        (b'{"a": ' + b"[" * 200_000, b""),
    ],
)
def test_damaged_files_are_refused(weights, header, data):
    raw_file(weights, header, data)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is (a damaged safetensors file|damaged): "):
        read(weights)


def test_a_header_that_ends_early_is_refused(weights):
    raw_file(weights, b'{"a"', length=1000)
    with pytest.raises(CheckpointError, match="ends inside its header"):
        read(weights)


def test_an_impossible_empty_shape_is_refused_when_read(weights):
    raw_file(weights, {"a": {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}})
    with pytest.raises(CheckpointError, match="'a' cannot be read"), read(weights) as stored:
        stored["a"]


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors does not exist"):
        read(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        read(tmp_path)


def test_all_errors_are_value_errors():
    assert issubclass(checkpoints.CheckpointError, ValueError)
