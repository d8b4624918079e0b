"""Reading .npz: NumPy's arrays, lazily; objects, bombs and damage are refused."""

import io
import os
import struct
import zipfile

import ml_dtypes
import numpy as np
import pytest

from keras_vit.checkpoints import CheckpointError, tensors
from keras_vit.checkpoints.npz_file import read_npz

NUMBERS = np.arange(24, dtype="float32").reshape(2, 3, 4)


@pytest.fixture
def weights(tmp_path):
    return tmp_path / "ViT-B_16.npz"


def npy(array, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def npy_header(text):
    header = text.encode("latin1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def write_members(path, members, **settings):
    with zipfile.ZipFile(path, "w", **settings) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def patch_directory(path, position, number, form="<I"):
    """Changes a field of the first member in the archive's directory: where it is read from, whatever the data say."""
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, content.index(b"PK\x01\x02") + position, number)
    path.write_bytes(content)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_arrays_come_back_as_they_were(weights, save, dtype):
    arrays = {
        "Transformer/encoderblock_0/MlpBlock_3/Dense_0/kernel": NUMBERS.astype(dtype),
        "columns_first": np.asfortranarray(NUMBERS.astype(dtype)),
        "scalar": np.array(2.5, dtype),
        "none": np.zeros((0, 3), dtype),
    }
    save(weights, **arrays)
    with read_npz(os.fspath(weights)) as stored:
        assert list(stored) == list(arrays)
        for name, array in arrays.items():
            assert stored.shape(name) == array.shape
            assert stored.dtype(name) == f"F{8 * array.itemsize}"
            assert stored[name].dtype == array.dtype.newbyteorder("=")
            np.testing.assert_array_equal(stored[name], array)


def test_bfloat16_comes_back_as_float32(weights):
    array = np.array([[1, -2.5], [3e38, 1e-40]]).astype(ml_dtypes.bfloat16)
    np.savez(weights, a=array, columns_first=np.asfortranarray(array))
    with read_npz(weights) as stored:
        assert stored.dtype("a") == "BF16"
        np.testing.assert_array_equal(stored["a"], array.astype("float32"))
        np.testing.assert_array_equal(stored["columns_first"], array.astype("float32"))


def test_arrays_larger_than_a_piece_are_read_whole(weights, rng):
    array = rng.normal(size=400_000).astype("float32")
    np.savez_compressed(weights, compressed=array)
    with read_npz(weights) as stored:
        np.testing.assert_array_equal(stored["compressed"], array)


def test_whole_numbers_are_refused_only_when_asked_for(weights):
    np.savez(weights, step=np.array(7), weight=NUMBERS)
    with read_npz(weights) as stored:
        np.testing.assert_array_equal(stored["weight"], NUMBERS)
        with pytest.raises(CheckpointError, match="'step' holds I64; weights need one of F16, BF16, F32, F64"):
            stored["step"]


def test_names_are_never_paths(weights):
    write_members(weights, {"../../etc/passwd.npy": npy(NUMBERS), "/etc/a.npy": npy(NUMBERS)})
    with read_npz(weights) as stored:
        assert list(stored) == ["../../etc/passwd", "/etc/a"]
        np.testing.assert_array_equal(stored["../../etc/passwd"], NUMBERS)
    assert os.listdir(weights.parent) == [weights.name]


def test_an_archive_without_arrays_is_empty(weights):
    np.savez(weights)
    with read_npz(weights) as stored:
        assert list(stored) == []


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.array([{}], dtype=object), "Python objects, which can run code"),
        (np.zeros(1, [("a", "f4"), ("b", "O")]), "Python objects, which can run code"),
        (np.zeros(1, [("a", "f4")]), "'a'"),
        (np.array(["text"]), "<U4"),
        (np.array([b"text"]), r"S4"),
        (np.zeros(1, "complex64"), "complex64"),
        (np.zeros(1, "longdouble"), "float128"),
        (np.zeros(1, "V4"), "V4"),
        (np.zeros(1, "M8[s]"), "datetime64"),
    ],
)
def test_other_dtypes_are_refused_by_name(weights, array, found):
    np.savez(weights, fine=NUMBERS, odd=array)
    with pytest.raises(CheckpointError, match=f"'odd' holds .*{found}.*; weights need one of F16, BF16, F32, F64"):
        read_npz(weights)


def test_repeated_names_are_refused(weights):
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("a.npy", npy(NUMBERS))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", npy(NUMBERS + 1))
    with pytest.raises(CheckpointError, match="repeats 'a.npy'"):
        read_npz(weights)


@pytest.mark.parametrize("other", ["README.md", "folder/", "a", "weights.npy.exe"])
def test_other_members_are_refused(weights, other):
    write_members(weights, {"a.npy": npy(NUMBERS), other: b""})
    with pytest.raises(CheckpointError, match=f"only .npy members; it has '{other}'"):
        read_npz(weights)


def test_too_many_members_are_refused(weights):
    write_members(weights, {f"{number}.npy": b"" for number in range(10_001)})
    with pytest.raises(CheckpointError, match="holds 10001 arrays; 10000 are the most"):
        read_npz(weights)


# Headers of arrays.


@pytest.mark.parametrize(
    "shape", ["(2**40, 2**40)", "(5,)", "(3,)", "(-2, -2)", "(1099511627776, 1099511627776)", "(-4,)"]
)
def test_a_shape_that_does_not_fit_the_data_is_refused(weights, shape):
    header = npy_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")
    write_members(weights, {"a.npy": header + bytes(16)})
    with pytest.raises(CheckpointError, match="is damaged: 'a'"):
        read_npz(weights)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04}.",
        b"\x93NUMPY\x01\x00",
        npy(NUMBERS)[:50],
        npy(NUMBERS, (2, 0)),
        npy(NUMBERS, (3, 0)),
        b"\x93NUMPY\x09\x00" + bytes(100),
        npy_header("{'descr': '<f4'}"),
        npy_header("[1, 2]"),
        npy_header("__import__('os').system('false')"),
        npy_header("{'descr': 'q<', 'fortran_order': False, 'shape': (1,)}"),
        npy_header("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}"),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': [1]}"),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}"),
        npy_header("(" * 9_000),
        npy_header("-" * 9_000 + "1"),
        npy_header("{" + " " * 20_000 + "}"),
        npy_header("\0"),
    ],
)
@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
def test_damaged_headers_are_refused(weights, content):
    write_members(weights, {"a.npy": content})
    with pytest.raises(CheckpointError, match="is damaged: 'a' has no readable header"):
        read_npz(weights)


# Archives that are damaged, or claim more than they hold.


def test_a_changed_bit_is_an_error(weights):
    array = np.arange(5000, dtype="float32")
    np.savez(weights, a=array, b=NUMBERS)
    content = bytearray(weights.read_bytes())
    content[content.index(array.tobytes()) + 16_000] ^= 1
    weights.write_bytes(content)
    with read_npz(weights) as stored:
        np.testing.assert_array_equal(stored["b"], NUMBERS)
        with pytest.raises(CheckpointError, match="'a' cannot be read: Bad CRC-32"):
            stored["a"]


def test_a_truncated_file_is_refused(weights):
    np.savez(weights, a=NUMBERS)
    os.truncate(weights, weights.stat().st_size - 30)
    with pytest.raises(
        CheckpointError, match=r"needs an \.npz file; .* holds a ZIP archive, damaged.*Download it again"
    ):
        read_npz(weights)


def test_data_that_end_early_are_an_error(weights):
    header = npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000,), }")
    write_members(weights, {"a.npy": header + bytes(2000)}, compression=zipfile.ZIP_DEFLATED)
    patch_directory(weights, 24, len(header) + 4000)  # the size of the member before compression
    with read_npz(weights) as stored, pytest.raises(CheckpointError, match="'a' cannot be read"):
        stored["a"]


def test_claims_beyond_any_compression_are_refused(weights):
    np.savez_compressed(weights, a=NUMBERS)
    patch_directory(weights, 24, 2**31)
    with pytest.raises(CheckpointError, match=r"'a\.npy' claims 2147483648 bytes; the \d+ that are stored"):
        read_npz(weights)


def test_a_large_file_of_nothing_is_refused(weights, monkeypatch):
    np.savez_compressed(weights, a=np.zeros(1_000_000, "float32"))
    with read_npz(weights) as stored:  # a head of zeros is small enough
        assert not stored["a"].any()
    monkeypatch.setattr(tensors, "_SMALL_BYTES", 1_000_000)
    with pytest.raises(CheckpointError, match="it claims 4000128 bytes in a file of"):
        read_npz(weights)


def test_members_that_share_bytes_are_refused(weights):
    np.savez(weights, a=NUMBERS)
    patch_directory(weights, 20, 5_000)  # the size of the member in the archive
    with pytest.raises(CheckpointError, match="its members claim 5000 bytes, more than the file has"):
        read_npz(weights)


@pytest.mark.parametrize(("position", "number"), [(8, 1), (10, 99)], ids=["encrypted", "unknown compression"])
def test_members_that_cannot_be_opened_are_refused(weights, position, number):
    np.savez(weights, a=NUMBERS)
    patch_directory(weights, position, number, "<H")
    with pytest.raises(CheckpointError, match="is damaged: 'a' has no readable header"):
        read_npz(weights)


@pytest.mark.parametrize("members", [{"archive/data.pkl": b""}, {"photograph.jpg": b""}])
def test_other_archives_are_refused(weights, members):
    write_members(weights, members)
    with pytest.raises(CheckpointError, match=r"needs an \.npz file; .* holds a ZIP archive"):
        read_npz(weights)
