"""What all readers share: bfloat16, names of dtypes, and files that claim more than they hold."""

import math

import numpy as np
import pytest

from keras_vit.checkpoints import CheckpointError
from keras_vit.checkpoints.tensors import TensorInfo, Tensors, check_sizes, dtype_name, to_floats


class Broken(Tensors):
    def _read(self, name):
        raise KeyError("sector 7")


def test_bfloat16_is_the_upper_half_of_float32():
    bits = np.array([0x3F80, 0xC020, 0x7F80, 0x0001, 0x8000], "uint16")
    floats = to_floats(bits, "BF16")
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, np.array([1, -2.5, math.inf, 2.0**-133, 0], "float32"))
    assert np.signbit(floats[-1])
    assert np.isnan(to_floats(np.array(0x7FC0, "uint16"), "BF16"))


def test_floats_get_the_byte_order_of_the_machine():
    floats = to_floats(np.array([1.5, -2], ">f4"), "F32")
    assert floats.dtype == np.float32
    assert floats.tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("float16", "F16"),
        (">f8", "F64"),
        ("bool", "BOOL"),
        ("int8", "I8"),
        ("uint64", "U64"),
        ("complex64", None),
        ("longdouble", None),
        ("object", None),
        ("U1", None),
        ("V4", None),
        ([("a", "f4")], None),
    ],
)
def test_only_plain_numbers_have_a_name(dtype, name):
    assert dtype_name(np.dtype(dtype)) == name


def test_size_in_the_file_counts_all_numbers():
    assert TensorInfo("BF16", (2, 3)).num_bytes == 12
    assert TensorInfo("F64", ()).num_bytes == 8


def test_errors_of_any_kind_name_file_and_tensor(tmp_path):
    tensors = Broken(tmp_path / "file", {"a": TensorInfo("F32", (1,))})
    with pytest.raises(CheckpointError, match=r"file: 'a' cannot be read: 'sector 7'"):
        tensors["a"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"a": (1033, 1)}, "'a' claims 1033 bytes; the 1 that are stored"),
        ({"a": (1, 0)}, "'a' claims 1 bytes; the 0 that are stored"),
        ({"a": (2**40, 2**40)}, "it claims 1099511627776 bytes; 68719476736 are the most"),
        ({"a": (2**30, 2**21), "b": (2**30, 2**21)}, "it claims 2147483648 bytes in a file of 10;"),
    ],
)
def test_more_than_a_file_can_hold_is_refused(tmp_path, sizes, message):
    path = tmp_path / "file"
    path.write_bytes(bytes(10))
    with pytest.raises(CheckpointError, match=message):
        check_sizes(path, sizes)


def test_small_files_may_hold_nothing_but_zeros(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    check_sizes(path, {"a": (1_000_000, 990), "empty": (0, 0)})
