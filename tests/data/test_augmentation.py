"""Augmentation: each change does what it says, at the rate it says."""

import dataclasses

import numpy as np
import pytest

from keras_vit.data import Augmentation
from keras_vit.data.augmenter import Augmenter
from keras_vit.preprocessing import Preprocessing

RECORD = Preprocessing(image_size=16)
LABELS = np.eye(4, dtype=np.float32)


def augment(images, seed=0, record=RECORD, **fields):
    labels = LABELS[np.arange(len(images)) % 4]
    return Augmenter(Augmentation(**fields), record, batch_size=64)(images, labels, np.random.default_rng(seed))


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)


def test_nothing_is_on_by_default(images):
    changed, labels = augment(images)
    np.testing.assert_array_equal(changed, images)
    np.testing.assert_array_equal(labels, LABELS[np.arange(64) % 4])
    assert changed.dtype == np.float32


def test_flip_mirrors_about_half_of_the_images(images):
    changed, _ = augment(images, horizontal_flip=True)
    is_same = (changed == images).all((1, 2, 3))
    is_mirrored = (changed == images[:, :, ::-1]).all((1, 2, 3))
    assert (is_same ^ is_mirrored).all()
    assert 16 < is_mirrored.sum() < 48


def test_translation_stays_within_its_limit_and_fills_with_black():
    image = np.zeros((200, 16, 16, 1), np.uint8)
    image[:, 7:10, 7:10] = 255
    changed, _ = augment(image, translation=0.25, record=Preprocessing(image_size=16, num_channels=1))
    mass = changed.sum((1, 2, 3))
    rows, columns = (np.tensordot(changed.sum(axis)[..., 0], np.arange(16), 1) / mass for axis in (2, 1))
    for shifts in (rows - 8, columns - 8):
        assert 3 < np.abs(shifts).max() < 4.2  # sub-pixel, up to 4 pixels
        assert np.abs(shifts.mean()) < 0.6
    np.testing.assert_allclose(mass, 9 * 255, rtol=0.2)
    white, _ = augment(np.full_like(image, 255), translation=0.25, record=Preprocessing(image_size=16, num_channels=1))
    assert (white.min((1, 2, 3)) == 0).mean() > 0.9


def test_rotation_and_zoom_stay_within_their_limits():
    image = np.zeros((100, 41, 41, 1), np.uint8)
    image[:, 20, 34:37] = 255  # to the right of the centre
    record = Preprocessing(image_size=41, num_channels=1)

    def place(**fields):
        changed = augment(image, record=record, **fields)[0][..., 0]
        mass = changed.sum((1, 2))
        rows, columns = (np.tensordot(changed.sum(axis), np.arange(41), 1) / mass - 20 for axis in (2, 1))
        return np.rad2deg(np.arctan2(rows, columns)), np.hypot(rows, columns) / 15

    angles, lengths = place(rotation=20)
    assert 17 < np.abs(angles).max() < 21
    np.testing.assert_allclose(lengths, 1, atol=0.03)
    angles, lengths = place(zoom=0.2)
    np.testing.assert_allclose(angles, 0, atol=1)
    assert 0.79 < lengths.min() < 0.83
    assert 1.17 < lengths.max() < 1.21


def test_erasing_greys_a_rectangle_in_its_share_of_images(images):
    record = dataclasses.replace(RECORD, mean=(0.25,))
    changed, _ = augment(images, random_erasing=0.5, record=record)
    is_erased = (changed != images).any((1, 2, 3))
    assert 16 < is_erased.sum() < 48
    assert np.allclose(changed[changed != images], 0.25 * 255)
    everywhere, _ = augment(images, random_erasing=1.0, record=record)
    assert (everywhere != images).any((1, 2, 3)).mean() > 0.9


def test_mixup_blends_images_and_labels_alike():
    # Brightness tells the class, so a blend's brightness must match its label.
    images = np.repeat(np.arange(64, dtype=np.uint8) % 4 * 60, 16 * 16 * 3).reshape(64, 16, 16, 3)
    changed, labels = augment(images, mixup=0.8)
    np.testing.assert_allclose(labels.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(changed.mean((1, 2, 3)), labels @ (np.arange(4) * 60.0), atol=0.01)
    assert ((labels > 0.05).sum(-1) == 2).sum() > 10


def test_cutmix_pastes_the_area_that_labels_say():
    images = np.repeat(np.arange(64, dtype=np.uint8) % 4 * 60, 64 * 64).reshape(64, 64, 64, 1)
    changed, labels = augment(images, cutmix=1.0, record=Preprocessing(image_size=64, num_channels=1))
    np.testing.assert_allclose(labels.sum(-1), 1, atol=1e-5)
    assert set(np.unique(changed)) <= {0.0, 60.0, 120.0, 180.0}
    for label in range(4):
        share = (changed == label * 60).mean((1, 2, 3))
        np.testing.assert_allclose(share, labels[:, label], atol=0.06)  # whole pixels


def test_with_both_mixers_a_batch_gets_one(images):
    flat = np.full_like(images, 60)
    flat[::2] = 180
    kinds = set()
    for seed in range(8):
        changed, _ = augment(flat, seed=seed, mixup=1.0, cutmix=1.0)
        kinds.add("cutmix" if set(np.unique(np.rint(changed))) <= {60.0, 180.0} else "mixup")
    assert kinds == {"mixup", "cutmix"}


def test_batch_of_one_blank_grey_image_passes():
    everything = {"rand_augment": 1.0, "horizontal_flip": True, "random_erasing": 1.0, "mixup": 1.0, "cutmix": 1.0}
    record = Preprocessing(image_size=16, num_channels=1)
    for seed in range(6):
        changed, _ = augment(np.zeros((1, 16, 16, 1), np.uint8), seed=seed, record=record, **everything)
        assert changed.shape == (1, 16, 16, 1)
        assert np.isfinite(changed).all()
        assert changed.min() >= 0
        assert changed.max() <= 255


def test_rand_augment_needs_grey_or_colour():
    with pytest.raises(ValueError, match="num_channels 1 or 3; got 5"):
        Augmenter(Augmentation(rand_augment=0.5), Preprocessing(num_channels=5), batch_size=2)


def test_all_wrong_fields_are_reported_at_once():
    with pytest.raises(ValueError, match="Augmentation is wrong") as caught:
        Augmentation(
            crop=(0.9, 0.5),
            translation=-0.1,
            rotation=200,
            zoom=1.0,
            rand_augment=9,
            horizontal_flip=0.5,
            random_erasing=2,
            mixup=-1,
            cutmix="no",
        )
    named = {line.split()[1] for line in str(caught.value).splitlines()[1:]}
    assert named == {field.name for field in dataclasses.fields(Augmentation)}
    assert Augmentation(crop=[0.5, 1]) == Augmentation(crop=(0.5, 1))


def test_smaller_batch_is_returned_as_small(images):
    changed, labels = augment(images[:5], horizontal_flip=True, mixup=0.5)
    assert changed.shape == (5, 16, 16, 3)
    assert labels.shape == (5, 4)
