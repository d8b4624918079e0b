"""RandAugment: repeatable, bounded, and different for every image."""

import numpy as np
import pytest
from PIL import Image

from keras_vit.data.rand_augment import OPERATIONS, apply_operation, rand_augment


@pytest.mark.parametrize("channels", [1, 3])
def test_images_change_each_in_its_own_way(rng, channels):
    images = np.repeat(rng.integers(0, 256, (1, 12, 12, channels), dtype=np.uint8), 40, axis=0)
    changed = rand_augment(images, 0.9, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert len(np.unique(changed.reshape(40, -1), axis=0)) > 15
    np.testing.assert_array_equal(changed, rand_augment(images, 0.9, np.random.default_rng(0)))
    is_same = (changed == images).all((1, 2, 3)).sum()
    assert 2 < is_same < 25  # a quarter is left alone, and some operations do little


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_takes_any_strength(rng, name, mode):
    image = Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)).convert(mode)
    for strength in (0.0, 0.5, 1.0):
        changed = apply_operation(image, name, strength, -1)
        assert (changed.mode, changed.size) == (image.mode, image.size)
    if name not in ("auto_contrast", "equalize", "invert", "posterize"):
        np.testing.assert_array_equal(np.asarray(apply_operation(image, name, 0.0, 1)), np.asarray(image))
