"""Attention against NumPy, head by head."""

import numpy as np
import pytest

from keras_vit.layers import MultiHeadSelfAttention
from keras_vit.layers import dot_product_attention as attention_module
from keras_vit.layers.dot_product_attention import use_flash_attention
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=MultiHeadSelfAttention,
    arguments={
        "num_heads": 2,
        "use_qkv_bias": False,
        "use_qk_norm": True,
        "attention_dropout_rate": 0.2,
        "dropout_rate": 0.1,
        "norm_epsilon": 1e-5,
        "seed": 3,
    },
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
    without_gradient=("key_norm/beta",),  # shifts all logits of a query alike
)
SUB_NORM_CASE = checks.Case(
    layer=MultiHeadSelfAttention,
    arguments={
        "num_heads": 2,
        "use_projection_bias": False,
        "use_qk_norm": True,
        "use_sub_norm": True,
        "attention_dropout_rate": 0.2,
        "dropout_rate": 0.1,
        "norm": "rms_norm",
    },
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)
BIAS_CASE = checks.Case(
    layer=MultiHeadSelfAttention,
    arguments={"num_heads": 2, "use_key_bias": False, "bias_grid": (2, 2), "attention_dropout_rate": 0.2},
    shape=(2, 5, 8),
)

SETTINGS = [
    {"num_heads": 1},
    {"num_heads": 4},
    {"num_heads": 4, "use_qkv_bias": False},
    {"num_heads": 2, "use_key_bias": False},
    {"num_heads": 2, "bias_grid": (1, 4)},
    {"num_heads": 2, "use_qk_norm": True, "norm_epsilon": 1e-3},
    {"num_heads": 4, "use_projection_bias": False, "use_sub_norm": True, "norm_epsilon": 1e-3},
    {"num_heads": 2, "use_qk_norm": True, "use_sub_norm": True, "norm": "rms_norm"},
]


@pytest.mark.parametrize("case", [CASE, SUB_NORM_CASE, BIAS_CASE], ids=["qk_norm", "sub_norm", "bias_grid"])
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.fixture
def tokens(rng):
    return rng.normal(size=(2, 5, 8)).astype("float32")


def make(randomise, **settings):
    layer = MultiHeadSelfAttention(**settings)
    layer.build((None, 5, 8))
    randomise(layer)
    return layer


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_outputs_equal_numpy(tokens, randomise, settings):
    layer = make(randomise, **settings)
    weights = numpy_reference.weights_of(layer)
    expected = numpy_reference.attention(tokens, weights, **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_attention_scores_equal_numpy(tokens, randomise, settings):
    layer = make(randomise, **settings)
    weights = numpy_reference.weights_of(layer)
    expected = numpy_reference.attention_scores(tokens, weights, **settings)
    scores = checks.to_numpy(layer.attention_scores(tokens))
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({}, ["qkv/bias", "projection/bias"]),
        ({"use_qkv_bias": False}, ["projection/bias"]),
        ({"use_key_bias": False}, ["query_bias", "value_bias", "projection/bias"]),
        ({"use_qkv_bias": False, "use_key_bias": False}, ["projection/bias"]),
        ({"bias_grid": (2, 2)}, ["qkv/bias", "projection/bias", "position_bias/table"]),
        ({"use_projection_bias": False}, ["qkv/bias"]),
        ({"use_sub_norm": True}, ["qkv/bias", "projection/bias", "sub_norm/gamma", "sub_norm/beta"]),
        (
            {"use_qkv_bias": False, "use_qk_norm": True, "norm": "rms_norm"},
            ["projection/bias", "query_norm/scale", "key_norm/scale"],
        ),
    ],
    ids=str,
)
def test_biases_and_norms_exist_only_when_asked_for(settings, more):
    layer = MultiHeadSelfAttention(2, **settings)
    layer.build((None, 5, 8))
    assert set(numpy_reference.weights_of(layer)) == {"qkv/kernel", "projection/kernel", *more}


@pytest.mark.parametrize("rates", [{"attention_dropout_rate": 0.5}, {"dropout_rate": 0.5}], ids=str)
def test_dropout_acts_in_training_only(tokens, randomise, rates):
    layer = make(randomise, num_heads=2, **rates)
    expected = numpy_reference.attention(tokens, numpy_reference.weights_of(layer), 2)
    for training in (False, None):
        np.testing.assert_allclose(checks.to_numpy(layer(tokens, training=training)), expected, atol=1e-5)
    first, second = (checks.to_numpy(layer(tokens, training=True)) for _ in range(2))
    assert not np.allclose(first, expected, atol=1e-2)
    assert not np.array_equal(first, second)


def test_attention_dropout_keeps_the_expected_output(tokens, randomise):
    layer = make(randomise, num_heads=2, attention_dropout_rate=0.3)
    many = np.repeat(tokens[:1], 4000, axis=0)
    expected = numpy_reference.attention(tokens[:1], numpy_reference.weights_of(layer), 2)[0]
    mean = checks.to_numpy(layer(many, training=True)).mean(axis=0)
    np.testing.assert_allclose(mean, expected, atol=0.05)


def test_long_half_precision_rows_still_sum_to_one(rng):
    tokens = rng.normal(size=(1, 700, 8)).astype("float32")
    layer = MultiHeadSelfAttention(2, dtype="mixed_bfloat16")
    layer.build(tokens.shape)
    scores = checks.to_numpy(layer.attention_scores(tokens))
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("num_heads", [0, -1])
def test_fewer_than_one_head_is_refused(num_heads):
    with pytest.raises(ValueError, match=f"MultiHeadSelfAttention needs num_heads >= 1; got num_heads={num_heads}"):
        MultiHeadSelfAttention(num_heads)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="num_heads that divides the width; got num_heads=3, embed_dim=8"):
        MultiHeadSelfAttention(3).build((None, 5, 8))


# Flash attention.


@pytest.mark.parametrize(
    ("backend", "platform", "is_enabled", "is_used"),
    [
        ("jax", "gpu", None, True),  # Keras' default: where it is possible
        ("jax", "gpu", True, True),
        ("jax", "gpu", False, False),
        ("jax", "cpu", True, False),
        ("jax", "tpu", None, False),
        ("tensorflow", "", None, False),
        ("torch", "", None, False),
    ],
)
def test_flash_attention_is_for_jax_on_gpus(backend, platform, is_enabled, is_used):
    assert use_flash_attention(backend, platform, is_enabled) == is_used


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_way_to_flash_attention_gives_equal_numbers(rng, randomise, monkeypatch, policy):
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    log_sizes = np.log(rng.integers(1, 5, size=(2, 5))).astype("float32")
    layer = MultiHeadSelfAttention(2, dtype=policy)
    layer.build((None, 5, 8))
    randomise(layer)
    expected = [checks.to_numpy(each) for each in (layer(tokens), *layer.attend_by_size(tokens, log_sizes))]
    monkeypatch.setattr(attention_module, "use_flash_attention", lambda *_: True)
    outputs = [checks.to_numpy(each) for each in (layer(tokens), *layer.attend_by_size(tokens, log_sizes))]
    for output, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(
            output.astype("float32"), wanted.astype("float32"), atol=1e-5 if policy == "float32" else 0.05
        )
