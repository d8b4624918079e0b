"""Patch dropout: a random subset of tokens for each sample in training, nothing at inference."""

import keras
import numpy as np
import pytest

from keras_vit.layers import PatchDropout
from tests.layers import checks

CASE = checks.Case(
    layer=PatchDropout,
    arguments={"rate": 0.4, "seed": 5},
    shape=(4, 5, 8),
    dynamic_shape=(None, None, None),
    num_tokens_vary=True,
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


def numbered(batch, num_tokens):
    """Tokens that tell their sample and place."""
    return np.arange(batch * num_tokens, dtype="float32").reshape(batch, num_tokens, 1) * np.ones(2, "float32")


# The numbers of timm 1.0.31, `max(1, int(num_tokens * (1.0 - rate)))`.
@pytest.mark.parametrize(
    ("num_tokens", "rate", "num_kept"), [(196, 0.5, 98), (5, 0.4, 3), (7, 0.25, 5), (3, 0.9, 1), (10, 0.9, 1)]
)
def test_each_sample_keeps_that_many_tokens_of_its_own_once_each(num_tokens, rate, num_kept):
    outputs = checks.to_numpy(PatchDropout(rate, seed=0)(numbered(6, num_tokens), training=True))
    assert outputs.shape == (6, num_kept, 2)
    for sample, tokens in enumerate(outputs[..., 0].astype(int)):
        assert len(set(tokens)) == num_kept
        assert set(tokens) <= set(range(sample * num_tokens, (sample + 1) * num_tokens))


def test_samples_are_drawn_apart_and_all_places_alike():
    places = checks.to_numpy(PatchDropout(0.75, seed=1)(numbered(4000, 8), training=True))[..., 0].astype(int) % 8
    assert len(np.unique(np.sort(places), axis=0)) == 28  # all pairs of 8
    np.testing.assert_allclose(np.bincount(places.ravel()) / 4000, 0.25, atol=0.03)


@pytest.mark.parametrize("training", [False, None])
def test_inference_changes_nothing(training):
    tokens = numbered(2, 6)
    np.testing.assert_array_equal(checks.to_numpy(PatchDropout(0.5)(tokens, training=training)), tokens)


def test_rate_zero_changes_nothing():
    tokens = numbered(2, 6)
    np.testing.assert_array_equal(checks.to_numpy(PatchDropout()(tokens, training=True)), tokens)


def test_each_call_draws_anew_and_a_seed_repeats_the_draws():
    first, second = (PatchDropout(0.5, seed=3) for _ in range(2))
    draws = [checks.to_numpy(first(numbered(8, 20), training=True)) for _ in range(2)]
    assert not np.array_equal(*draws)
    for drawn in draws:
        np.testing.assert_array_equal(checks.to_numpy(second(numbered(8, 20), training=True)), drawn)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces with unknown sizes")
def test_unknown_numbers_of_tokens_are_counted_alike():
    import tensorflow as tf

    layer = PatchDropout(0.9)
    traced = tf.function(lambda tokens: layer(tokens, training=True), input_signature=[tf.TensorSpec((None, None, 2))])
    for num_tokens, num_kept in ((3, 1), (50, 4), (100, 9)):  # 1 - 0.9 is a little less than a tenth
        assert max(1, int(num_tokens * (1 - 0.9))) == num_kept
        assert traced(numbered(2, num_tokens)).shape == (2, num_kept, 2)


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match=f"PatchDropout needs 0 <= rate < 1; got rate={rate}"):
        PatchDropout(rate)
