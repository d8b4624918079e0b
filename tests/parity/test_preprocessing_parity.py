"""Preprocessing against timm's evaluation transform, on real photographs."""

import numpy as np
import pytest
from PIL import Image

from keras_vit.preprocessing import Preprocessing

pytestmark = pytest.mark.parity

transforms = pytest.importorskip("timm.data.transforms_factory")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photographs():
    from sklearn.datasets import load_sample_images

    images = dict(zip(("china", "flower"), load_sample_images().images, strict=True))
    data = pytest.importorskip("skimage.data")
    images |= {"astronaut": data.astronaut(), "coffee": data.coffee(), "chelsea": data.chelsea()}
    images["tall"] = images["china"][:, 100:217]
    images["small"] = images["coffee"][100:140, 200:263]
    return {name: Image.fromarray(image) for name, image in images.items()}


@pytest.fixture(scope="module")
def pictures():
    return photographs()


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos"])
@pytest.mark.parametrize("crop_fraction", [0.875, 0.9, 1.0])
@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("image_size", [(224, 224), (32, 32), (384, 384), (96, 160), (160, 96), (37, 53)])
def test_pixels_equal_timm(pictures, image_size, crop_mode, crop_fraction, interpolation):
    record = Preprocessing(
        image_size=image_size,
        crop_mode=crop_mode,
        crop_fraction=crop_fraction,
        interpolation=interpolation,
        mean=MEAN,
        std=STD,
    )
    transform = transforms.transforms_imagenet_eval(
        img_size=image_size,
        crop_mode=crop_mode,
        crop_pct=crop_fraction,
        interpolation=interpolation,
        mean=MEAN,
        std=STD,
    )
    for name, image in pictures.items():
        expected = transform(image).numpy().transpose(1, 2, 0)
        differences = np.abs(record(image)[0] - expected) * np.array(STD)  # in pixels of 0..1
        assert differences.mean() < 1 / 255, name
        assert differences.max() < 1e-5, name


def test_float_and_16_bit_arrays_equal_timm_within_one_level(pictures):
    transform = transforms.transforms_imagenet_eval(img_size=64, interpolation="bicubic", mean=MEAN, std=STD)
    record = Preprocessing(image_size=64, mean=MEAN, std=STD)
    image = pictures["chelsea"]
    expected = transform(image).numpy().transpose(1, 2, 0)
    for array in (np.asarray(image) / 255.0, np.asarray(image).astype(np.uint16) * 257):
        assert (np.abs(record(array)[0] - expected) * np.array(STD)).max() < 1.5 / 255


def test_grey_files_equal_timm(pictures, tmp_path):
    pictures["coffee"].convert("L").save(tmp_path / "grey.png")
    transform = transforms.transforms_imagenet_eval(img_size=64, interpolation="bicubic", mean=MEAN, std=STD)
    expected = transform(Image.open(tmp_path / "grey.png").convert("RGB")).numpy().transpose(1, 2, 0)
    actual = Preprocessing(image_size=64, mean=MEAN, std=STD)(tmp_path / "grey.png")[0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
