"""Attention weights in full: their dtype, and what comes of others in their place."""

import numpy as np
import pytest
from keras import ops

from keras_vit.layers import MultiHeadSelfAttention
from keras_vit.layers.dot_product_attention import adjusted, attention_weights, gather
from tests.layers.checks import to_numpy


@pytest.fixture
def parts(rng):
    return [rng.normal(size=(2, 5, 3, 4)).astype("float32") for _ in range(3)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_long_rows_in_half_precision_sum_to_one(rng, dtype):
    queries, keys = (ops.cast(rng.normal(size=(1, 700, 2, 4)), dtype) for _ in range(2))
    weights = to_numpy(attention_weights(queries, keys))
    assert weights.dtype == "float32"
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


def test_values_are_gathered_by_adjusted_weights(parts, rng):
    weights = rng.uniform(size=(2, 3, 5, 5)).astype("float32")
    expected = np.einsum("bhqk,bkhd->bqhd", weights, parts[2])
    seen = []
    with adjusted(lambda own: seen.append(own) or ops.convert_to_tensor(weights)):
        gathered = gather(*map(ops.convert_to_tensor, parts))
    np.testing.assert_allclose(to_numpy(gathered), expected, atol=1e-5)
    logits = np.einsum("bqhd,bkhd->bhqk", *parts[:2]) / 2
    own = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(to_numpy(seen[0]), own, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_weights_that_stay_as_they_are_change_nothing_and_only_the_context_adjusts(rng, randomise, dtype):
    layer = MultiHeadSelfAttention(2, dtype=dtype)
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    layer.build(tokens.shape)
    randomise(layer)
    before = to_numpy(ops.cast(layer(tokens), "float32"))
    with adjusted(lambda own: own):
        same = to_numpy(ops.cast(layer(tokens), "float32"))
    with adjusted(lambda own: own * 0):
        other = to_numpy(ops.cast(layer(tokens), "float32"))
    after = to_numpy(ops.cast(layer(tokens), "float32"))
    np.testing.assert_allclose(same, before, atol=1e-5 if dtype == "float32" else 0.02)
    np.testing.assert_array_equal(after, before)
    assert not np.allclose(other, before, atol=0.1)
