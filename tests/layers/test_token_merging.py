"""Token merging against loops in NumPy, written from the paper."""

import keras
import numpy as np
import pytest

from keras_vit.layers import SizeWeighting, TokenMergingEncoder, TransformerEncoder
from keras_vit.layers.token_merging import match
from tests import numpy_reference
from tests.layers.checks import to_numpy

DIM, HEADS = 8, 2


def pairs_by_hand(keys, num_merged, num_prefix_tokens):
    """For one sample: the (place, place) pairs of the most similar tokens, section 3 of the paper."""
    unit = keys / np.linalg.norm(keys, axis=-1, keepdims=True)
    edges = []
    for even in range(0, len(keys), 2):
        friends = [(float(unit[even] @ unit[odd]), odd) for odd in range(1, len(keys), 2) if odd >= num_prefix_tokens]
        if even >= num_prefix_tokens:
            score, odd = max(friends)
            edges.append((score, even, odd))
    return [(even, odd) for _, even, odd in sorted(edges, reverse=True)[:num_merged]]


def merge_by_hand(tokens, sizes, pairs):
    """For one sample: means weighted by size; even places first, then odd ones, prefix tokens in front."""
    sums, counts = tokens * sizes[:, None], sizes.astype("float64").copy()
    for source, target in pairs:
        sums[target] += sums[source]
        counts[target] += sizes[source]
    gone = {source for source, _ in pairs}
    return sums / counts[:, None], counts, [place for place in range(len(tokens)) if place not in gone]


def ordered(places, num_prefix_tokens):
    prefix = [place for place in places if place < num_prefix_tokens]
    patches = [place for place in places if place >= num_prefix_tokens]
    return prefix + [place for place in patches if place % 2 == 0] + [place for place in patches if place % 2]


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def layer_norm(tokens, weights, name):
    mean, variance = tokens.mean(-1, keepdims=True), tokens.var(-1, keepdims=True)
    return (tokens - mean) / np.sqrt(variance + 1e-6) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def encoder_by_hand(tokens, sizes, weights, num_merged, num_prefix_tokens):
    """One "pre_norm" layer on one sample, with merging between its branches."""
    fused = layer_norm(tokens, weights, "attention_norm") @ weights["attention/qkv/kernel"]
    fused = (fused + weights["attention/qkv/bias"]).reshape(len(tokens), 3, HEADS, DIM // HEADS)
    queries, keys, values = fused[:, 0], fused[:, 1], fused[:, 2]
    mixed = np.zeros_like(tokens).reshape(len(tokens), HEADS, -1)
    for head in range(HEADS):
        logits = queries[:, head] @ keys[:, head].T / np.sqrt(DIM // HEADS) + np.log(sizes)[None, :]
        mixed[:, head] = softmax(logits) @ values[:, head]
    mixed = mixed.reshape(len(tokens), DIM) @ weights["attention/projection/kernel"]
    tokens = tokens + mixed + weights["attention/projection/bias"]
    pairs = pairs_by_hand(keys.mean(axis=1), num_merged, num_prefix_tokens)
    tokens, sizes, left = merge_by_hand(tokens, sizes, pairs)
    left = ordered(left, num_prefix_tokens)
    tokens, sizes = tokens[left], sizes[left]
    hidden = layer_norm(tokens, weights, "mlp_norm") @ weights["mlp/expand/kernel"] + weights["mlp/expand/bias"]
    hidden = hidden / (1 + np.exp(-hidden))  # SiLU
    return tokens + hidden @ weights["mlp/contract/kernel"] + weights["mlp/contract/bias"], sizes


def make(randomise, num_merged, num_prefix_tokens, **settings):
    encoder = TransformerEncoder(HEADS, 12, activation="silu", **settings)
    encoder.build((None, 12, DIM))
    randomise(encoder)
    return encoder, TokenMergingEncoder(encoder, num_merged, num_prefix_tokens=num_prefix_tokens)


@pytest.fixture
def tokens(rng):
    return rng.normal(size=(3, 12, DIM)).astype("float32")


@pytest.fixture
def sizes(rng):
    return rng.integers(1, 5, size=(3, 12)).astype("int32")


@pytest.mark.parametrize(("num_merged", "num_prefix_tokens"), [(0, 1), (1, 1), (5, 1), (6, 0), (4, 2), (4, 3)])
def test_one_layer_equals_the_paper(tokens, sizes, randomise, num_merged, num_prefix_tokens):
    sizes[:, :num_prefix_tokens] = 1
    encoder, layer = make(randomise, num_merged, num_prefix_tokens)
    weights = {name: value.astype("float64") for name, value in numpy_reference.weights_of(encoder).items()}
    outputs, new_sizes = layer(tokens, sizes)
    for sample in range(3):
        wanted = encoder_by_hand(
            tokens[sample].astype("float64"), sizes[sample], weights, num_merged, num_prefix_tokens
        )
        np.testing.assert_array_equal(to_numpy(new_sizes)[sample][: len(wanted[1])].sum(), sizes[sample].sum())
        if num_merged:
            np.testing.assert_allclose(to_numpy(outputs)[sample], wanted[0], atol=2e-5)
            np.testing.assert_array_equal(to_numpy(new_sizes)[sample], wanted[1])
    if not num_merged:
        ones = np.ones_like(sizes)
        np.testing.assert_allclose(to_numpy(layer(tokens, ones)[0]), to_numpy(encoder(tokens)), atol=1e-5)


@pytest.mark.parametrize("order", ["post_norm", "parallel"])
def test_other_orders_merge_too_and_change_nothing_without_merging(tokens, randomise, order):
    ones = np.ones((3, 12), "int32")
    encoder, layer = make(randomise, 4, 1, order=order)
    outputs, sizes = layer(tokens, ones)
    assert outputs.shape == (3, 8, DIM)
    assert to_numpy(sizes).sum(axis=1).tolist() == [12, 12, 12]
    unmerged = TokenMergingEncoder(encoder, 0)(tokens, ones)[0]
    np.testing.assert_allclose(to_numpy(unmerged), to_numpy(encoder(tokens)), atol=1e-5)


def test_equal_tokens_are_merged_first(rng):
    keys = rng.normal(size=(1, 10, DIM)).astype("float32")
    keys[0, 4] = 3 * keys[0, 7]  # of another length, in the same direction
    keys[0, 0] = keys[0, 1]  # a prefix token, which stays
    kept, sources, targets = (to_numpy(part).tolist() for part in match(keys, 1, 1))
    assert (kept, sources, targets) == ([[0, 1, 3, 4]], [[2]], [[3]])


def test_a_plain_mean_of_weighted_tokens_is_that_of_all_patches(rng):
    tokens, sizes = rng.normal(size=(2, 4, 3)).astype("float32"), np.array([[1, 3, 1, 2], [1, 1, 1, 4]], "int32")
    weighted = to_numpy(SizeWeighting(1)(tokens, sizes))
    np.testing.assert_array_equal(weighted[:, 0], tokens[:, 0])
    for sample in range(2):
        patches = np.repeat(tokens[sample, 1:], sizes[sample, 1:], axis=0)
        np.testing.assert_allclose(weighted[sample, 1:].mean(axis=0), patches.mean(axis=0), atol=1e-6)


def test_half_precision_stays_half_and_sizes_stay_whole(tokens):
    layer = TokenMergingEncoder(TransformerEncoder(HEADS, 12, dtype="mixed_bfloat16"), 3, dtype="mixed_bfloat16")
    outputs, sizes = layer(tokens, np.ones((3, 12), "int32"))
    assert [keras.backend.standardize_dtype(each.dtype) for each in (outputs, sizes)] == ["bfloat16", "int32"]


def test_too_many_are_refused(tokens):
    layer = TokenMergingEncoder(TransformerEncoder(HEADS, 12), 6)
    with pytest.raises(ValueError, match="num_merged <= 5, half of the patch tokens; got num_merged=6 for 12 tokens"):
        layer(tokens, np.ones((3, 12), "int32"))
    with pytest.raises(ValueError, match="numbers >= 0; got num_merged=-1"):
        TokenMergingEncoder(TransformerEncoder(HEADS, 12), -1)


def test_an_encoder_with_biases_for_offsets_is_refused():
    with pytest.raises(ValueError, match=r"no bias for each offset .* got bias_grid=\(2, 2\)"):
        TokenMergingEncoder(TransformerEncoder(HEADS, 12, bias_grid=(2, 2)), 1)
