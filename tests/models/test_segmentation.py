"""Segmentation with a linear head on the tokens."""

import keras
import numpy as np
import pytest

from keras_vit import ViT, ViTConfig, segmentation_model
from tests.layers.checks import to_numpy
from tests.models.test_feature_pyramid import Staged
from tests.models.vit.configs import TINY


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 8, 12, 3)).astype("float32")


def test_logits_come_from_the_tokens_that_the_head_reads(randomise, images):
    model = ViT(**TINY, num_register_tokens=2)
    segmenter = segmentation_model(model, 5)
    randomise(segmenter)
    patches = to_numpy(model.features(images))[:, 3:].reshape(2, 2, 3, 8)
    expected = segmenter.get_layer("segmentation_head")([patches], images)
    assert segmenter.output.shape == (None, 8, 12, 5)
    np.testing.assert_allclose(to_numpy(segmenter(images)), to_numpy(expected), atol=1e-5)


def test_a_staged_model_is_scored_at_every_stride(rng):
    model = Staged(ViTConfig(**{**TINY, "image_size": (32, 64)}))
    segmenter = segmentation_model(model, 5)
    assert segmenter.get_layer("segmentation_head").strides == [4, 8, 16, 32]
    assert to_numpy(segmenter(rng.normal(size=(2, 32, 64, 3)).astype("float32"))).shape == (2, 32, 64, 5)


@pytest.mark.parametrize(
    "fields", [{}, {"image_size": None, "position_grid": (2, 3)}, {"image_size": (7, 10), "pad": True}], ids=str
)
def test_saved_and_reloaded(randomise, images, tmp_path, fields):
    segmenter = segmentation_model(ViT(**{**TINY, **fields}), 5)
    randomise(segmenter)
    if "pad" in fields:
        images = images[:, :7, :10]
    segmenter.save(tmp_path / "segmenter.keras")
    again = keras.saving.load_model(tmp_path / "segmenter.keras")
    logits = again.predict(images, verbose=0)
    assert logits.shape == (*images.shape[:3], 5)
    np.testing.assert_array_equal(logits, segmenter.predict(images, verbose=0))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_frozen_model_under_a_new_head_learns_a_mask(images, dtype):
    masks = (images[..., 0] > 0).astype("int32")
    masks[:, 4:, :8] = 2
    model = ViT(**TINY, dtype=dtype)
    model.trainable = False
    segmenter = segmentation_model(model, 3)
    assert {weight.path.split("/")[0] for weight in segmenter.trainable_weights} == {"segmentation_head"}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    segmenter.compile(keras.optimizers.Adam(0.05), loss)
    losses = [segmenter.train_on_batch(images, masks) for _ in range(15)]
    assert losses[-1] < 0.8 * losses[0]


def test_what_cannot_be_segmented_is_refused():
    with pytest.raises(ValueError, match="segmentation_model needs a model with one token for each square patch"):
        segmentation_model(ViT(**{**TINY, "patch_size": (4, 2)}), 5)
    with pytest.raises(ValueError, match="num_classes >= 1"):
        segmentation_model(ViT(**TINY), 0)
    with pytest.raises(TypeError, match="segmentation_model needs a model of keras_vit"):
        segmentation_model(keras.Sequential([keras.layers.Dense(1)]), 5)
