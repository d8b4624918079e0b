"""Weights with an axis of heads: where each number goes, and back."""

import numpy as np

from keras_vit.models.vit.layouts.head_axes import from_heads, to_heads


def test_the_channels_of_a_head_stay_together():
    kernel = np.arange(24).reshape(4, 3, 2)  # width, heads, head_dim
    ours = to_heads(3).read(kernel, (4, 6))
    np.testing.assert_array_equal(ours[:, 2:4], kernel[:, 1])
    np.testing.assert_array_equal(to_heads(3).read(kernel[0], (6,)), kernel[0].ravel())


def test_the_kernel_behind_takes_the_channels_in_the_same_order():
    kernel = np.arange(24).reshape(3, 2, 4)  # heads, head_dim, width
    ours = from_heads(3).read(kernel, (6, 4))
    np.testing.assert_array_equal(ours[2:4], kernel[1])


def test_shapes_and_the_way_back():
    kernel, bias, out = np.arange(24).reshape(4, 6), np.arange(6), np.arange(24).reshape(6, 4)
    for transform, array, shape in [
        (to_heads(3), kernel, (4, 3, 2)),
        (to_heads(3), bias, (3, 2)),
        (from_heads(3), out, (3, 2, 4)),
    ]:
        written = transform.write(array)
        assert written.shape == transform.file_shape(array.shape) == shape
        np.testing.assert_array_equal(transform.read(written, array.shape), array)
