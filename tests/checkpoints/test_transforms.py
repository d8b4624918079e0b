"""Transforms undo themselves and agree with PyTorch's layouts."""

import numpy as np
import pytest

from keras_vit.checkpoints import (
    depthwise_kernel,
    identity,
    patch_kernel,
    position_grid,
    row_vector,
    rows_of,
    transpose,
)

CASES = [
    (identity, (3, 4), (3, 4)),
    (transpose, (3, 4), (4, 3)),
    (patch_kernel, (2, 3, 4, 5), (5, 4, 2, 3)),
    (depthwise_kernel, (2, 3, 4, 1), (4, 1, 2, 3)),
    (position_grid(), (2, 3, 4), (1, 6, 4)),
    (row_vector, (2, 3), (1, 2, 3)),
]


@pytest.mark.parametrize(("transform", "shape", "file_shape"), CASES, ids=lambda value: getattr(value, "name", None))
def test_writing_and_reading_give_the_variable_back(transform, shape, file_shape):
    array = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    stored = transform.write(array)
    assert stored.shape == file_shape == transform.file_shape(shape)
    np.testing.assert_array_equal(transform.read(stored, shape), array)


@pytest.mark.parametrize(("transform", "shape", "file_shape"), CASES, ids=lambda value: getattr(value, "name", None))
def test_reading_and_writing_give_the_file_back(transform, shape, file_shape):
    stored = np.arange(np.prod(shape), dtype="float32").reshape(file_shape)
    np.testing.assert_array_equal(transform.write(transform.read(stored, shape)), stored)


def test_patch_kernel_is_the_convolution_of_pytorch():
    # torch: out[d] = sum over c, p, q of weight[d, c, p, q] * image[c, p, q]; ours takes the pixels channels last.
    rng = np.random.default_rng(0)
    weight, image = rng.normal(size=(5, 4, 2, 3)), rng.normal(size=(4, 2, 3))
    kernel = patch_kernel.read(weight, (2, 3, 4, 5))
    expected = np.einsum("dcpq,cpq->d", weight, image)
    np.testing.assert_allclose(image.transpose(1, 2, 0).reshape(-1) @ kernel.reshape(-1, 5), expected)


def test_positions_are_stored_row_by_row():
    table = np.zeros((2, 3, 1))
    table[1, 0] = 1
    assert position_grid().write(table)[0, :, 0].tolist() == [0, 0, 0, 1, 0, 0]


def test_rows_in_front_of_positions_are_left_out_and_written_as_zeros():
    stored = np.arange(16, dtype="float32").reshape(1, 8, 2)
    transform = position_grid(2)
    assert transform.file_shape((2, 3, 2)) == (1, 8, 2)
    table = transform.read(stored, (2, 3, 2))
    np.testing.assert_array_equal(table.reshape(6, 2), stored[0, 2:])
    np.testing.assert_array_equal(transform.write(table)[0, :2], 0)
    np.testing.assert_array_equal(transform.write(table)[0, 2:], stored[0, 2:])


def test_rows_of_a_tensor_are_read_alone():
    stored = np.arange(20, dtype="float32").reshape(10, 2)
    transform = rows_of(transpose, 4, 7, 10)
    assert transform.file_shape((2, 3)) == (10, 2)
    np.testing.assert_array_equal(transform.read(stored, (2, 3)), stored[4:7].T)
    np.testing.assert_array_equal(transform.write(stored[4:7].T), stored[4:7])
