"""The digits data set: a fixed split of known images, ready for any model."""

import numpy as np
import pytest

from keras_vit import data
from keras_vit.data import DIGITS_PREPROCESSING
from keras_vit.preprocessing import Preprocessing

sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="needs the extra `data`")


def collect(batches):
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_split_is_that_of_scikit_learn():
    from sklearn.model_selection import train_test_split

    digits = sklearn_datasets.load_digits()
    expected = train_test_split(digits.images, digits.target, test_size=0.2, random_state=0, stratify=digits.target)
    for part, images, target in zip(data.load("digits"), expected[:2], expected[2:], strict=True):
        actual, labels = collect(part)
        # Values of 0..16 come through exactly.
        restored = np.rint((actual[..., 0] + 1) / 2 * 16)
        mine = sorted(zip(map(bytes, restored.astype(np.uint8)), labels.argmax(-1).tolist(), strict=True))
        assert mine == sorted(zip(map(bytes, images.astype(np.uint8)), target.tolist(), strict=True))


def test_batches_say_what_they_hold():
    train, validation = data.load("digits", batch_size=100)
    assert (train.num_images, validation.num_images) == (1437, 360)
    assert (len(train), len(validation)) == (15, 4)
    assert train.class_names == tuple("0123456789")
    assert train.num_classes == 10
    assert train.preprocessing == DIGITS_PREPROCESSING
    images, labels = train[14]
    assert images.shape == (37, 8, 8, 1)
    assert images.dtype == labels.dtype == np.float32
    np.testing.assert_array_equal(labels.sum(-1), 1)
    with pytest.raises(IndexError, match="Batch 15 of 15"):
        train[15]


def test_split_does_not_depend_on_the_seed():
    first, second = (collect(data.load("digits", seed=seed)[1]) for seed in (0, 5))
    np.testing.assert_array_equal(first[0], second[0])


def test_other_preprocessing_resizes_and_colours():
    preprocessing = Preprocessing(image_size=(24, 16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    _, validation = data.load("digits", preprocessing=preprocessing)
    images, _ = validation[0]
    assert images.shape == (64, 24, 16, 3)
    np.testing.assert_allclose(images[..., 0] * 0.2 + 0.4, images[..., 2] * 0.2 + 0.6, atol=1e-6)


def test_missing_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'keras3-vit\[data\]'"):
        data.load("digits")
