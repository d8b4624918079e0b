"""Random geometry: crops of the right size and place, affine transforms against numpy by hand."""

import numpy as np
import pytest
from PIL import Image

from keras_vit.data.geometry import affine_matrices, random_crop, warp
from keras_vit.preprocessing import Preprocessing

RECORD = Preprocessing(image_size=(10, 20), interpolation="bilinear")


def gradient(height, width):
    """Red tells the column, green the row, in percent of the picture."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns / width * 100, rows / height * 100
    return Image.fromarray(np.stack([red, green, np.zeros_like(red)], -1).astype(np.uint8))


def test_crops_keep_the_asked_for_area_and_shape(rng):
    picture = gradient(300, 600)
    areas = []
    for _ in range(50):
        crop = random_crop(picture, (0.25, 0.5), RECORD, rng).astype(int)
        assert crop.shape == (10, 20, 3)
        width = (crop[5, -1, 0] - crop[5, 0, 0]) / 19 * 20 / 100
        height = (crop[-1, 5, 1] - crop[0, 5, 1]) / 9 * 10 / 100
        areas.append(width * height)
        assert 0.68 < width / height < 1.47  # 3:4 to 4:3 of the input's shape, whole levels apart
    assert 0.22 < min(areas) < 0.3
    assert 0.45 < max(areas) < 0.55


def test_crop_of_a_strip_takes_its_full_width(rng):
    crop = random_crop(gradient(400, 20), (1.0, 1.0), RECORD, rng)
    assert crop[0, -1, 0] - crop[0, 0, 0] > 85
    assert crop[-1, 0, 1] - crop[0, 0, 1] <= 3


def test_crop_takes_arrays_of_any_channels(rng):
    record = Preprocessing(image_size=6, num_channels=5)
    assert random_crop(rng.uniform(0, 255, (9, 9, 5)).astype("float32"), (0.5, 1), record, rng).shape == (6, 6, 5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_warp_moves_every_channel_alike(rng, channels):
    images = rng.integers(0, 256, (2, 6, 8, channels), dtype=np.uint8)
    matrices = affine_matrices(np.array([[2.0, 1.0], [0.0, 0.0]]), np.zeros(2), np.ones(2), (6, 8))
    moved = warp(images, matrices)
    np.testing.assert_array_equal(moved[0, 1:, 2:], images[0, :-1, :-2])
    assert (moved[0, 0] == 0).all()
    assert (moved[0, :, :2] == 0).all()
    np.testing.assert_array_equal(moved[1], images[1])


def test_warp_shifts_by_fractions_of_a_pixel():
    images = np.zeros((1, 1, 5, 1), np.uint8)
    images[0, 0, 2] = 200
    moved = warp(images, affine_matrices(np.array([[0.25, 0.0]]), np.zeros(1), np.ones(1), (1, 5)))
    near, far = (distance**3 - 2 * distance**2 + 1 for distance in (0.25, 0.75))  # PIL's cubic, a = -1
    np.testing.assert_allclose(moved[0, 0, :, 0], [0, 0, 200 * near, 200 * far, 0], atol=1)


def test_quarter_turn_is_clockwise(rng):
    images = rng.integers(0, 256, (1, 7, 7, 3), dtype=np.uint8)
    turned = warp(images, affine_matrices(np.zeros((1, 2)), np.array([90.0]), np.ones(1), (7, 7)))
    np.testing.assert_allclose(turned[0], np.rot90(images[0], -1), atol=1)


def test_doubling_shows_the_middle():
    images = np.zeros((1, 8, 8, 1), np.uint8)
    images[0, 2:6, 2:6] = 100
    enlarged = warp(images, affine_matrices(np.zeros((1, 2)), np.zeros(1), np.array([2.0]), (8, 8)))
    assert (enlarged[0, 3:5, 3:5] == 100).all()
    assert (enlarged[0] > 50).all()
