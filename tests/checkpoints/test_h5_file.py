"""Reading .weights.h5: Keras' files, lazily; what refers elsewhere or claims too much is refused."""

import os

import h5py
import keras
import numpy as np
import pytest

from keras_vit.checkpoints import CheckpointError, tensors
from keras_vit.checkpoints.h5_file import read_h5

NUMBERS = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.fixture
def weights(tmp_path):
    return tmp_path / "model.weights.h5"


@pytest.fixture
def file(weights):
    """An HDF5 file with one good dataset, open for writing."""
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"] = NUMBERS
        yield file


def refused(file, message):
    path = file.filename
    file.close()
    with pytest.raises(CheckpointError, match=message) as error:
        read_h5(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("dtype", ["float16", "float32", "bfloat16"])
def test_what_keras_saves_is_read(weights, randomise, dtype):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype=dtype)])
    randomise(model)
    model.save_weights(weights)
    with read_h5(os.fspath(weights)) as stored:
        assert stored.dtype("layers/dense/vars/0") == {"bfloat16": "BF16"}.get(dtype, f"F{dtype[5:]}")
        for name, variable in zip(("0", "1"), model.layers[0].weights, strict=True):
            expected = np.array(keras.ops.convert_to_numpy(keras.ops.cast(variable.value, "float32")))
            array = stored[f"layers/dense/vars/{name}"]
            assert array.dtype == (np.float32 if dtype == "bfloat16" else np.dtype(dtype))
            assert stored.shape(f"layers/dense/vars/{name}") == tuple(variable.shape)
            np.testing.assert_array_equal(array.astype("float32"), expected)


def test_all_ways_to_store_numbers_are_read(weights):
    with h5py.File(weights, "w") as file:
        file["scalar"] = np.float32(2.5)
        file["big_endian"] = NUMBERS.astype(">f4")
        file["double"] = NUMBERS.astype("float64")
        file["none"] = np.zeros((0, 3), "float32")
        file.create_dataset("a/compressed", data=NUMBERS, compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("a/pieces", data=NUMBERS, chunks=(2, 2))
        file.create_dataset("a/growing", data=NUMBERS, maxshape=(None, 3))
        file.create_group("empty")
    with read_h5(weights) as stored:
        assert sorted(stored) == ["a/compressed", "a/growing", "a/pieces", "big_endian", "double", "none", "scalar"]
        assert stored["scalar"].shape == ()
        assert stored["scalar"] == 2.5
        assert stored["double"].dtype == np.float64
        assert stored["none"].shape == (0, 3)
        assert stored["big_endian"].dtype == np.float32
        for name in ("big_endian", "double", "a/compressed", "a/pieces", "a/growing"):
            np.testing.assert_array_equal(stored[name], NUMBERS)


def test_whole_numbers_are_refused_only_when_asked_for(file, weights):
    file["optimizer/vars/0"] = np.array(7)
    file.close()
    with read_h5(weights) as stored:
        np.testing.assert_array_equal(stored["layers/dense/vars/0"], NUMBERS)
        with pytest.raises(CheckpointError, match="'optimizer/vars/0' holds I64; weights need one of"):
            stored["optimizer/vars/0"]


# What lies elsewhere.


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        (h5py.SoftLink("/layers/dense/vars/0"), "SoftLink"),
        (h5py.SoftLink("/nowhere"), "SoftLink"),
        (h5py.ExternalLink("other.h5", "/a"), "ExternalLink"),
        (h5py.ExternalLink("/etc/passwd", "/"), "ExternalLink"),
    ],
)
def test_links_are_refused(file, link, kind):
    file["layers/link"] = link
    refused(file, rf"'layers/link' is a link \({kind}\) to another place")


def test_a_link_in_place_of_a_group_is_refused(file):
    file["more"] = h5py.ExternalLink("other.h5", "/")
    refused(file, "'more' is a link")


def test_objects_with_two_names_are_refused(file):
    file["again"] = file["layers/dense/vars/0"]
    refused(file, "is another name of an object")


def test_groups_that_contain_themselves_are_refused(file):
    file["layers/all"] = file["/"]
    refused(file, "'layers/all' is another name of an object")


def test_numbers_in_other_files_are_refused(file, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(24))
    file.create_dataset("outside", (2, 3), "float32", external=[(str(tmp_path / "secret"), 0, 24)])
    refused(file, "the numbers of 'outside' are in other files")


def test_virtual_datasets_are_refused(file):
    layout = h5py.VirtualLayout((2, 3), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "a", (2, 3))
    file.create_virtual_dataset("virtual", layout)
    refused(file, "the numbers of 'virtual' are in other files")


# What is no number.


@pytest.mark.parametrize(
    "dtype",
    [
        h5py.string_dtype(),
        h5py.vlen_dtype(np.float32),
        h5py.ref_dtype,
        "S4",
        "V2",
        "V8",
        "complex64",
        np.dtype([("a", "f4"), ("b", "i4")]),
    ],
    ids=str,
)
def test_other_dtypes_are_refused_by_name(file, dtype):
    file.create_dataset("odd", (3,), dtype=dtype)
    refused(file, "'odd' holds .*; weights need one of F16, BF16, F32, F64")


def test_datasets_without_a_value_are_refused(file):
    file["odd"] = h5py.Empty("float32")
    refused(file, "'odd' holds nothing")


def test_named_dtypes_are_refused(file):
    file["odd"] = np.dtype("float32")
    refused(file, "'odd' is a Datatype, neither group nor numbers")


def test_whole_models_are_refused(file):
    file.attrs["model_config"] = '{"class_name": "Lambda"}'
    refused(file, "holds a whole Keras model, which can run code; save its weights alone")


# What is not stored.


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_shapes_without_numbers_are_refused(file, compression):
    file.create_dataset("bomb", (2**20, 2**20), "float32", chunks=(1024, 1024), compression=compression)
    refused(file, r"'bomb' of shape \(1048576, 1048576\) is not stored in full")


def test_shapes_stored_in_part_are_refused(file):
    bomb = file.create_dataset("bomb", (2**20, 2**20), "float32", chunks=(16, 16))
    bomb[:16, :64] = 1
    refused(file, "'bomb' .* is not stored in full")


def test_numbers_never_written_are_refused(file):
    file.create_dataset("bomb", (2**20, 2**20), "float32")
    refused(file, "'bomb' claims 4398046511104 bytes; the 0 that are stored")


def test_a_large_file_of_nothing_is_refused(file, monkeypatch):
    file.create_dataset("zeros", data=np.zeros(1_000_000, "float32"), compression="gzip", chunks=(500_000,))
    file.flush()
    monkeypatch.setattr(tensors, "_SMALL_BYTES", 1_000_000)
    refused(file, r"it claims 4000024 bytes in a file of \d+; weights cannot shrink so far")


def test_other_compression_is_refused(file):
    file.create_dataset("odd", data=NUMBERS, compression="lzf")
    refused(file, "'odd' is compressed in another way than gzip")


# What is damaged.


@pytest.mark.parametrize("size", [8, 100, 1000, -1])
def test_truncated_files_are_refused(file, size):
    path = file.filename
    file.close()
    os.truncate(path, size if size > 0 else os.path.getsize(path) + size)
    with pytest.raises(CheckpointError, match="is a damaged HDF5 file"):
        read_h5(path)


def test_bytes_that_are_no_hdf5_are_refused(weights):
    weights.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 20)
    with pytest.raises(CheckpointError, match="is a damaged HDF5 file"):
        read_h5(weights)


def test_damaged_structure_is_one_clear_error(file):
    path = file.filename
    file.close()
    with open(path, "r+b") as stored:
        content = bytearray(stored.read())
        for signature in (b"TREE", b"SNOD", b"HEAP"):
            content = content.replace(signature, b"\0\0\0\0")
        stored.seek(0)
        stored.write(content)
    with pytest.raises(CheckpointError, match="is a damaged HDF5 file"):
        read_h5(path)


def test_damaged_numbers_are_found_by_their_checksum(weights):
    with h5py.File(weights, "w") as file:
        file.create_dataset("a", data=NUMBERS, chunks=(2, 3), fletcher32=True)
    content = weights.read_bytes()
    weights.write_bytes(content.replace(NUMBERS.tobytes(), (NUMBERS + 1).tobytes()))
    with read_h5(weights) as stored, pytest.raises(CheckpointError, match="'a' cannot be read"):
        stored["a"]


def test_other_formats_are_refused(weights):
    weights.write_bytes(b"\x80\x04}.")
    with pytest.raises(CheckpointError, match="needs an HDF5 file of weights; .* holds a Python pickle"):
        read_h5(weights)
