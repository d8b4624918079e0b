"""RandAugment's operations against timm's."""

import random

import numpy as np
import pytest
from PIL import Image

from keras_vit.data.rand_augment import OPERATIONS, apply_operation

pytestmark = pytest.mark.parity

auto_augment = pytest.importorskip("timm.data.auto_augment")

TIMM_NAMES = {
    "auto_contrast": "AutoContrast",
    "brightness": "BrightnessIncreasing",
    "color": "ColorIncreasing",
    "contrast": "ContrastIncreasing",
    "equalize": "Equalize",
    "invert": "Invert",
    "posterize": "PosterizeIncreasing",
    "rotate": "Rotate",
    "sharpness": "SharpnessIncreasing",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "shift_x": "TranslateXRel",
    "shift_y": "TranslateYRel",
    "solarize": "SolarizeIncreasing",
    "solarize_add": "SolarizeAdd",
}


def test_operations_are_those_of_timm():
    assert {TIMM_NAMES[name] for name in OPERATIONS} == set(auto_augment._RAND_INCREASING_TRANSFORMS)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("strength", [0.3, 0.9])
@pytest.mark.parametrize("sign", [-1, 1])
def test_operation_equals_timm(monkeypatch, name, strength, sign):
    from sklearn.datasets import load_sample_images

    image = Image.fromarray(load_sample_images().images[0][:96, :128])
    timm_name = TIMM_NAMES[name]
    monkeypatch.setattr(random, "random", lambda: 0.9 if sign < 0 else 0.1)  # timm negates above 0.5
    level = auto_augment.LEVEL_TO_ARG[timm_name]
    arguments = level(10 * strength, {}) if level else ()
    settings = {"fillcolor": (0, 0, 0), "resample": Image.Resampling.BILINEAR}
    expected = auto_augment.NAME_TO_OP[timm_name](image, *arguments, **settings)
    actual = apply_operation(image, name, strength, sign)
    np.testing.assert_array_equal(np.asarray(actual), np.asarray(expected))
