"""Models with their preprocessing inside."""

import keras
import numpy as np
import pytest

from keras_vit.models import ViT
from keras_vit.preprocessing import Preprocessing


def make_model(**settings):
    record = Preprocessing(image_size=16, interpolation="bilinear", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    settings = {"num_classes": 5, **settings}
    return ViT(
        image_size=16, patch_size=8, embed_dim=16, depth=1, num_heads=2, mlp_ratio=1.0, preprocessing=record, **settings
    )


def test_raw_pixels_of_any_size_give_the_logits_of_preprocessing_outside(rng, randomise, tmp_path):
    model = make_model()
    randomise(model)
    whole = model.with_preprocessing()
    probable = model.with_preprocessing(softmax=True)
    pixels = rng.uniform(0, 1, (3, 31, 40, 3)).astype("float32")
    expected = model.predict(model.preprocessing(pixels), verbose=0)
    np.testing.assert_allclose(whole.predict(pixels * 255, verbose=0), expected, atol=1e-4)
    probabilities = np.exp(expected) / np.exp(expected).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(probable(pixels * 255)), probabilities, atol=1e-4)
    assert whole.input_shape == (None, None, None, 3)

    bytes_of_16 = (rng.uniform(0, 1, (2, 16, 16, 3)) * 255).astype("uint8")  # nothing is resized: nothing is rounded
    fixed = model.with_preprocessing(size=16, pixel_dtype="uint8")
    record = Preprocessing.from_dict({**model.preprocessing.to_dict(), "crop_fraction": 1.0})
    model.preprocessing = record
    as_it_is = model.with_preprocessing(size=(16, 16), pixel_dtype="uint8")
    assert (fixed.input_shape, fixed.input.dtype) == ((None, 16, 16, 3), "uint8")
    expected = keras.ops.convert_to_numpy(model(record(bytes_of_16)))
    as_it_is.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(again(bytes_of_16)), expected, atol=1e-4)


def test_weights_are_shared_and_train():
    model = make_model()
    whole = model.with_preprocessing()
    whole.compile(keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    before = np.array(model.get_layer("head").get_weights()[0])
    whole.train_on_batch(np.full((2, 20, 20, 3), 9, "uint8"), np.eye(5, dtype="float32")[:2])
    assert np.abs(model.get_layer("head").get_weights()[0] - before).max() > 0


def test_what_cannot_be_is_said():
    model = make_model()
    with pytest.raises(ValueError, match=r"size as \(height, width\) in pixels, > 0, or None; got 0"):
        model.with_preprocessing(size=0)
    with pytest.raises(ValueError, match=r"pixel_dtype to be one of .*; got 'int8'"):
        model.with_preprocessing(pixel_dtype="int8")
    with pytest.raises(ValueError, match=r"for softmax=True; got num_classes=0"):
        make_model(num_classes=0, pooling="none").with_preprocessing(softmax=True)
