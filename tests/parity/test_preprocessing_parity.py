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


# Presets that differ in size, crop fraction, crop mode, interpolation, mean and std.
PRESETS = [
    "vit_base_patch16_224.augreg2_in21k_ft_in1k",
    "vit_base_patch16_384.augreg_in21k_ft_in1k",
    "vit_base_patch8_224.augreg2_in21k_ft_in1k",
    "vit_base_patch32_clip_448.laion2b_ft_in12k_in1k",
    "vit_large_patch14_clip_336.openai_ft_in12k_in1k",
    "vit_medium_patch16_gap_240.sw_in12k",
    "vit_base_patch16_siglip_256.webli",
    "vit_so400m_patch14_siglip_378.webli",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_base_patch16_224_miil.in21k_ft_in1k",
    "deit_base_distilled_patch16_384.fb_in1k",
    "deit3_small_patch16_224.fb_in1k",
    "flexivit_small.1200ep_in1k",
    "eva_large_patch14_196.in22k_ft_in22k_in1k",
    "test_vit.r160_in1k",
]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_prepare_images_as_timm_does(name):
    import timm
    from timm.data import create_transform, resolve_data_config

    from keras_vit.models import catalogue

    settings = timm.get_pretrained_cfg(name).to_dict()
    transform = create_transform(**resolve_data_config(pretrained_cfg=settings), is_training=False)
    record = Preprocessing(**catalogue.find(name).preprocessing)

    for image in photographs().values():
        expected = transform(image).numpy().transpose(1, 2, 0)
        differences = np.abs(record(image)[0] - expected) * settings["std"]  # in pixels of 0..1
        assert differences.mean() < 1 / 255
        assert differences.max() < 1e-5
