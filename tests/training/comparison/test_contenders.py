import keras
import numpy as np
import pytest

from keras_vit.preprocessing import Preprocessing
from keras_vit.training.comparison.contenders import build_contender
from keras_vit.training.comparison.settings import ComparisonSettings

GREY = Preprocessing(image_size=8, num_channels=1, crop_fraction=1.0, mean=(0.5,), std=(0.5,))


@pytest.fixture
def settings(tiny_preset):
    return ComparisonSettings(models=(str(tiny_preset),), epochs=1)


@pytest.fixture
def small_application(monkeypatch):
    """An application in place of MobileNetV2, which takes seconds to build."""
    seen = []

    def build(weights, input_shape, classes, classifier_activation):
        if min(input_shape[:2]) < 32:
            raise ValueError("Input size must be at least 32x32")
        seen.append((weights, input_shape, classifier_activation))
        layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(classes)]
        return keras.Sequential([keras.Input(input_shape), *layers])

    monkeypatch.setattr(keras.applications, "MobileNetV2", build)
    return seen


def test_application_sees_the_images_enlarged_and_in_the_range_it_takes(settings, small_application):
    model = build_contender("applications:MobileNetV2@32", settings, GREY, 3)

    assert small_application == [(None, (32, 32, 1), None)]
    assert model.output_shape == (None, 3)
    images = np.full((1, 8, 8, 1), 1.0, "float32")  # white
    inside = keras.Model(model.input, model.get_layer("pixels").output)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(inside(images)), np.full((1, 32, 32, 1), 255), rtol=1e-5)


def test_too_small_images_name_the_way_out(settings, small_application):
    with pytest.raises(ValueError, match=r"images of 8 x 8 pixels: .*at least 32x32\n.*applications:MobileNetV2@32"):
        build_contender("applications:MobileNetV2", settings, GREY, 3)
    with pytest.raises(ValueError, match="NAME@PIXELS; got 'applications:MobileNetV2@big'"):
        build_contender("applications:MobileNetV2@big", settings, GREY, 3)


def test_vit_gets_the_common_image_size_and_must_fit_its_channels(settings, tiny_preset):
    model = build_contender(str(tiny_preset), settings, GREY, 3)

    assert model.output_shape == (None, 3)
    with pytest.raises(ValueError, match=r"needs images of 1 channel"):
        build_contender(str(tiny_preset), settings, Preprocessing(image_size=8), 3)
