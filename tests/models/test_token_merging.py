"""Models that merge tokens: the same weights, fewer tokens, ordinary Keras."""

import keras
import numpy as np
import pytest

from keras_vit import ViT
from tests.models.vit.configs import TINY


@pytest.fixture
def images(rng):
    return rng.normal(size=(4, 8, 12, 3)).astype("float32")


@pytest.mark.parametrize(
    "fields",
    [{}, {"pooling": "mean", "num_register_tokens": 2, "use_head_norm": True}, {"use_distillation_token": True}],
    ids=str,
)
def test_without_merging_the_logits_are_equal(randomise, images, fields):
    model = ViT(**TINY, **fields)
    randomise(model)
    unmerged = model.with_token_merging(0)
    np.testing.assert_allclose(unmerged.predict(images, verbose=0), model.predict(images, verbose=0), atol=2e-5)


def test_a_merging_model_shares_weights_and_is_saved(tmp_path, randomise, images):
    model = ViT(**TINY, pooling="token_mean")
    merging = model.with_token_merging(1)
    assert [merging.get_layer(f"merging_encoder_{index}").output[0].shape for index in (0, 1)] == [
        (None, 6, 8),
        (None, 5, 8),
    ]
    randomise(model)  # also what the merging model computes with
    logits = merging.predict(images, verbose=0)
    assert logits.shape == (4, 3)
    assert not np.allclose(logits, model.predict(images, verbose=0), atol=1e-3)
    merging.save(tmp_path / "merging.keras")
    loaded = keras.saving.load_model(tmp_path / "merging.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), logits, atol=1e-6)


def test_like_patches_lose_nothing(randomise):
    model = ViT(**TINY, pooling="mean", positional_encoding="none")
    randomise(model)
    images = np.ones((2, 8, 12, 3), "float32")
    merged = model.with_token_merging(1).predict(images, verbose=0)
    np.testing.assert_allclose(merged, model.predict(images, verbose=0), atol=2e-5)


@pytest.mark.parametrize(
    ("fields", "num_merged", "message"),
    [
        ({}, 3, "needs num_merged <= 2 for 6 patches and 2 layers; got num_merged=3"),
        ({}, -1, "whole number >= 0; got -1"),
        ({}, 1.5, "whole number >= 0; got 1.5"),
        ({"pooling": "attention"}, 1, "pooling='attention'"),
        ({"image_size": None, "position_grid": (2, 3)}, 1, "takes images of any size"),
    ],
)
def test_what_cannot_be_merged_is_refused(fields, num_merged, message):
    with pytest.raises(ValueError, match=message):
        ViT(**{**TINY, **fields}).with_token_merging(num_merged)
