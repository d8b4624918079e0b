"""Preprocessing inside a model: the layer against PIL, whose resize the record uses."""

import keras
import numpy as np
import pytest

from keras_vit.layers.pixel_preprocessing import PixelPreprocessing, late_size
from keras_vit.preprocessing import Preprocessing

SIZES = ((30, 41), (23, 90), (7, 5))  # a usual image, a wide one, one smaller than the input


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos", "hamming"])
def test_filters_equal_pil(rng, interpolation):
    record = Preprocessing(image_size=(12, 17), interpolation=interpolation)
    for size in SIZES:
        pixels = rng.uniform(0, 1, (2, *size, 3)).astype("float32")
        outputs = PixelPreprocessing(record)(pixels * 255)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs), record(pixels), atol=1e-5)


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("image_size", [(12, 12), (12, 17)])
def test_crops_and_frames_equal_the_record_for_sizes_known_early_and_late(rng, crop_mode, image_size):
    record = Preprocessing(image_size=image_size, crop_mode=crop_mode, num_channels=1, mean=(0.3,), std=(0.2,))
    layer = PixelPreprocessing(record)
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, layer(inputs))
    for size in SIZES:
        pixels = rng.uniform(0, 1, (1, *size, 1)).astype("float32")
        expected = record(pixels)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(pixels * 255)), expected, atol=2e-5)
        np.testing.assert_allclose(model.predict(pixels * 255, verbose=0), expected, atol=2e-5)


def test_sizes_known_late_are_those_of_the_record():
    for record in (
        Preprocessing(image_size=(224, 224), crop_fraction=0.9),
        Preprocessing(image_size=(96, 160)),
        Preprocessing(image_size=(160, 96), crop_mode="border"),
        Preprocessing(image_size=(32, 48), crop_mode="squash"),
    ):
        for height, width in ((1, 500), (427, 640), (301, 333), (53, 96), (160, 97), (3000, 4001), (96, 160)):
            late = [int(side) for side in late_size(record, *map(keras.ops.convert_to_tensor, (height, width)))]
            assert tuple(late) == record.resized_size(height, width), (record, height, width)


def test_bytes_differ_from_pil_by_its_rounding_only(rng):
    record = Preprocessing(image_size=(12, 17))
    # Soft pixels, as of photographs: nothing overshoots, which PIL cuts between its two passes.
    pixels = np.linspace(40, 200, 30 * 41 * 3).reshape(1, 30, 41, 3).astype("uint8")
    outputs = keras.ops.convert_to_numpy(PixelPreprocessing(record)(pixels))
    np.testing.assert_allclose(outputs, record(pixels), atol=1.1 / 127.5)


def test_saving_keeps_the_record(tmp_path, rng):
    record = Preprocessing(image_size=(6, 6), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    model = keras.Sequential([keras.Input((None, None, 3)), PixelPreprocessing(record)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    pixels = rng.uniform(0, 255, (1, 9, 9, 3)).astype("float32")
    np.testing.assert_array_equal(again.predict(pixels, verbose=0), model.predict(pixels, verbose=0))
    assert again.layers[0].preprocessing == record
    assert model.output_shape == (None, 6, 6, 3)


def test_compute_dtype_stays_float32_under_low_precision():
    layer = PixelPreprocessing(Preprocessing(image_size=4), dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(np.zeros((1, 5, 5, 3), "uint8")).dtype) == "float32"


@pytest.mark.parametrize("interpolation", ["nearest", "box"])
def test_filters_that_jump_are_refused(interpolation):
    with pytest.raises(ValueError, match=f"one of bicubic, .*; got '{interpolation}'"):
        PixelPreprocessing(Preprocessing(interpolation=interpolation))
