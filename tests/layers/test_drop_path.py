"""Stochastic depth: whole samples, expected value kept, nothing at inference."""

import numpy as np
import pytest

from keras_vit.layers import DropPath
from tests.layers import checks

CASE = checks.Case(
    layer=DropPath, arguments={"rate": 0.3, "seed": 5}, shape=(4, 5, 8), dynamic_shape=(None, None, None)
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_share_of_samples_is_dropped_and_the_others_are_scaled(rate):
    outputs = checks.to_numpy(DropPath(rate, seed=0)(np.ones((20_000, 2, 3), "float32"), training=True))
    kept = outputs[:, 0, 0] != 0
    assert kept.mean() == pytest.approx(1 - rate, abs=0.012)
    np.testing.assert_allclose(outputs[kept], 1 / (1 - rate), rtol=1e-6)
    assert outputs.mean() == pytest.approx(1, abs=0.12)


def test_each_sample_goes_as_a_whole(rng):
    tokens = rng.normal(size=(64, 3, 4, 5)).astype("float32")
    outputs = checks.to_numpy(DropPath(0.5)(tokens, training=True))
    dropped = ~outputs.any(axis=(1, 2, 3))
    assert 0 < dropped.sum() < 64
    np.testing.assert_allclose(outputs[~dropped], 2 * tokens[~dropped], rtol=1e-6)


@pytest.mark.parametrize("training", [False, None])
def test_inference_changes_nothing(rng, training):
    tokens = rng.normal(size=(8, 3, 4)).astype("float32")
    np.testing.assert_array_equal(checks.to_numpy(DropPath(0.9)(tokens, training=training)), tokens)


def test_rate_zero_changes_nothing(rng):
    tokens = rng.normal(size=(8, 3, 4)).astype("float32")
    np.testing.assert_array_equal(checks.to_numpy(DropPath()(tokens, training=True)), tokens)


def test_each_call_draws_anew_and_a_seed_repeats_the_draws():
    tokens = np.ones((64, 1), "float32")
    first, second = (DropPath(0.5, seed=3) for _ in range(2))
    draws = [checks.to_numpy(first(tokens, training=True)) for _ in range(2)]
    assert not np.array_equal(*draws)
    for drawn in draws:
        np.testing.assert_array_equal(checks.to_numpy(second(tokens, training=True)), drawn)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match=f"DropPath needs 0 <= rate < 1; got rate={rate}"):
        DropPath(rate)
