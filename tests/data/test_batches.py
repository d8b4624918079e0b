"""Batches: order, repeatability, threads, and `model.fit` on the backend of this run."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_vit import data
from keras_vit.data import Augmentation, batches
from keras_vit.data.batches import ImageBatches, ImageSource
from keras_vit.preprocessing import ImageError, Preprocessing

RECORD = Preprocessing(image_size=8, crop_fraction=1.0)
EVERYTHING = Augmentation(
    crop=(0.5, 1.0),
    translation=0.1,
    rotation=10,
    zoom=0.1,
    rand_augment=0.5,
    horizontal_flip=True,
    random_erasing=0.5,
    mixup=0.2,
    cutmix=1.0,
)


@pytest.fixture
def images(rng):
    """10 pictures that tell their number in the first pixel."""
    pixels = rng.integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    pixels[:, 0, 0, 0] = np.arange(10)
    return list(pixels)


@pytest.fixture
def source(images):
    return ImageSource(images, np.arange(10) % 2, ("even", "odd"), RECORD)


def numbers(batch):
    return np.rint((batch[0][:, 0, 0, 0] + 1) / 2 * 255).astype(int).tolist()


def epoch_order(train):
    return [number for batch in train for number in numbers(batch)]


def test_validation_keeps_its_order(source):
    validation = ImageBatches(source, np.array([7, 2, 4]), batch_size=2)
    assert epoch_order(validation) == [7, 2, 4]
    validation.on_epoch_end()
    assert epoch_order(validation) == [7, 2, 4]
    np.testing.assert_array_equal(validation[0][1], [[0, 1], [1, 0]])


def test_every_epoch_shuffles_anew_and_repeatably(source):
    train, again = (ImageBatches(source, np.arange(10), batch_size=4, shuffle=True, seed=3) for _ in range(2))
    first = epoch_order(train)
    train.on_epoch_end()
    second = epoch_order(train)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    again.epoch = 1
    assert epoch_order(again) == second


def test_labels_follow_their_images(source):
    train = ImageBatches(source, np.arange(10), batch_size=4, shuffle=True)
    for batch in train:
        assert batch[1].argmax(-1).tolist() == [number % 2 for number in numbers(batch)]


def test_augmented_batches_depend_on_seed_epoch_and_number_alone(source):
    def make(seed):
        return ImageBatches(
            source, np.arange(8), batch_size=4, shuffle=True, seed=seed, augmentation=EVERYTHING, num_workers=2
        )

    train, again = make(1), make(1)
    reverse = [again[index] for index in (1, 0)][::-1]
    for index, expected in enumerate(reverse):
        np.testing.assert_array_equal(train[index][0], expected[0])
        np.testing.assert_array_equal(train[index][1], expected[1])
    assert not np.array_equal(make(2)[0][0], train[0][0])
    train.on_epoch_end()
    assert not np.array_equal(train[0][0], reverse[0][0])


def test_kept_images_are_decoded_once(images, tmp_path, monkeypatch):
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.iterdir())
    kept = ImageSource(paths, np.zeros(10, int), ("a", "b"), RECORD)
    assert kept.decode_all(2, keep=True) == {}
    monkeypatch.setattr(batches, "MAX_KEPT_BYTES", 100)
    read_again = ImageSource(paths, np.zeros(10, int), ("a", "b"), RECORD)
    assert read_again.decode_all(2, keep=True) == {}
    for path in paths:
        path.unlink()
    np.testing.assert_array_equal(kept.pixels(3), images[3])
    with pytest.raises(ImageError, match=r"3\.png"):
        read_again.pixels(3)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_model_fit_takes_both_parts(source, num_workers):
    train = ImageBatches(
        source, np.arange(8), batch_size=4, shuffle=True, augmentation=EVERYTHING, num_workers=num_workers
    )
    validation = ImageBatches(source, np.arange(7, 10), batch_size=2, num_workers=num_workers)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(train, validation_data=validation, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"] + history.history["val_loss"]).all()
    assert model.predict(validation, verbose=0).shape == (3, 2)


def test_augmentation_ignores_global_policies(source):
    expected = ImageBatches(source, np.arange(4), batch_size=4, augmentation=EVERYTHING)[0][0]
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_image_data_format("channels_first")
    actual = ImageBatches(source, np.arange(4), batch_size=4, augmentation=EVERYTHING)[0][0]
    np.testing.assert_array_equal(actual, expected)


def test_digits_learn(rng):
    pytest.importorskip("sklearn", reason="needs the extra `data`")
    train, validation = data.load("digits", augmentation=Augmentation(translation=0.05, rotation=10, zoom=0.1))
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(
        keras.optimizers.Adam(0.02), keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    model.fit(train, epochs=4, verbose=0)
    assert model.evaluate(validation, verbose=0, return_dict=True)["accuracy"] > 0.85
