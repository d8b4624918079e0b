"""TensorFlow Datasets, with TFDS' own random stand-ins for images: no download."""

import sys

import keras
import numpy as np
import pytest

from keras_vit import data
from keras_vit.data import Augmentation
from keras_vit.data.remaining import RemainingBatches
from keras_vit.preprocessing import Preprocessing

RECORD = Preprocessing(image_size=(12, 16))


@pytest.fixture
def tfds():
    pytest.importorskip("tensorflow", reason="needs the extra `tfds`: TensorFlow is not installed here")
    tfds = pytest.importorskip("tensorflow_datasets", reason="needs the extra `tfds`, which is not installed here")
    with tfds.testing.mock_data(num_examples=10):
        yield tfds


def test_both_parts_yield_normalised_batches(tfds):
    train, validation = data.load("tfds:cifar10", preprocessing=RECORD, batch_size=4)
    for part in (train, validation):
        assert part.num_images == 10
        assert len(part) == 3
        assert part.num_classes == 10
        assert part.class_names == tuple("0123456789")  # the stand-in's; real data has real names
        images, labels = zip(*part, strict=True)
        assert [batch.shape for batch in images] == [(4, 12, 16, 3), (4, 12, 16, 3), (2, 12, 16, 3)]
        assert images[0].dtype == labels[0].dtype == np.float32
        assert -1 <= images[0].min() < 0 < images[0].max() <= 1
        np.testing.assert_array_equal(labels[2].sum(-1), 1)


def test_pixels_pass_through_the_same_preprocessing(tfds):
    _, validation = data.load("tfds:cifar10", preprocessing=RECORD, batch_size=10)
    raw = [example["image"] for example in tfds.load("cifar10", split="test").as_numpy_iterator()]
    images, _ = validation[0]
    np.testing.assert_allclose(images, RECORD(raw), atol=1e-6)


def test_seed_fixes_order_and_augmentation_and_epochs_differ(tfds):
    augmentation = Augmentation(crop=(0.5, 1.0), rotation=10, rand_augment=0.5, horizontal_flip=True)

    def epochs(seed):
        train, _ = data.load("tfds:cifar10", preprocessing=RECORD, augmentation=augmentation, seed=seed)
        first = train[0][0]
        train.epoch = 1
        return [first, train[0][0]]

    first, again = epochs(1), epochs(1)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], epochs(2)[0])


def test_epoch_goes_on_from_any_batch_as_it_would_have(tfds):
    def load():
        augmentation = Augmentation(crop=(0.5, 1.0), rotation=10)
        train, _ = data.load("tfds:cifar10", preprocessing=RECORD, batch_size=4, augmentation=augmentation, seed=3)
        train.epoch = 2
        return train

    for batch, other in zip(list(load())[1:], RemainingBatches(load(), 1), strict=True):
        for values, others in zip(batch, other, strict=True):
            np.testing.assert_array_equal(values, others)


def test_model_fit_takes_both_parts(tfds):
    train, validation = data.load("tfds:cifar10", preprocessing=RECORD, batch_size=4)
    model = keras.Sequential([keras.Input((12, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    # Keras warns about its own default, shuffle=True, with any tf.data pipeline.
    history = model.fit(train, validation_data=validation, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()


def test_unknown_name_is_explained(tfds):
    with pytest.raises(ValueError, match=r"no data set 'cifar11'\. Did you mean .*tfds:cifar10"):
        data.load("tfds:cifar11")


def test_data_set_without_one_label_per_image_is_explained(tfds):
    with pytest.raises(ValueError, match="tfds:coco_captions needs an image and"):
        data.load("tfds:coco_captions")


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    monkeypatch.setitem(sys.modules, "tensorflow", sys.modules.get("tensorflow"))
    with pytest.raises(ImportError, match=r"pip install 'keras3-vit\[tfds\]'"):
        data.load("tfds:cifar10")
