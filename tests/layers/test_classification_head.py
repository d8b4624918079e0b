"""Pooling and logits against NumPy."""

import types

import keras
import numpy as np
import pytest

from keras_vit.layers import ClassificationHead
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=ClassificationHead,
    arguments={
        "num_classes": 3,
        "pooling": "attention",
        "num_prefix_tokens": 1,
        "use_norm": True,
        "pre_logits_dim": 6,
        "dropout_rate": 0.2,
        "norm_epsilon": 1e-5,
        "attention_pooling": {"num_heads": 2, "mlp_dim": 12, "activation": "silu"},
    },
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
    output_dtype="float32",
)
MEAN_CASE = checks.Case(
    layer=ClassificationHead,
    arguments={"num_classes": 0, "pooling": "mean", "num_prefix_tokens": 2, "use_norm": True},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)
TOKENS_CASE = checks.Case(
    layer=ClassificationHead,
    arguments={"num_classes": 3, "pooling": "none"},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
    output_dtype="float32",
)
TOKEN_MEAN_CASE = checks.Case(
    layer=ClassificationHead,
    arguments={"num_classes": 3, "pooling": "token_mean", "use_norm": True, "norm": "rms_norm", "dropout_rate": 0.2},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
    output_dtype="float32",
)
DISTILLATION_CASE = checks.Case(
    layer=ClassificationHead,
    arguments={"num_classes": 3, "use_distillation": True, "num_prefix_tokens": 2, "dropout_rate": 0.2},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
    output_dtype="float32",
)
CASES = {
    "attention": CASE,
    "mean": MEAN_CASE,
    "none": TOKENS_CASE,
    "token_mean": TOKEN_MEAN_CASE,
    "distillation": DISTILLATION_CASE,
}

POOLINGS = ["token", "mean", "max", "token_mean", "attention", "none"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.fixture
def tokens(rng):
    return rng.normal(size=(3, 6, 8)).astype("float32")


def make(randomise, pooling, **settings):
    norm = settings.get("norm", "layer_norm")
    attention_pooling = {"num_heads": 2, "mlp_dim": 12, "norm": norm} if pooling == "attention" else None
    layer = ClassificationHead(pooling=pooling, attention_pooling=attention_pooling, **settings)
    layer.build((None, 6, 8))
    randomise(layer)
    return layer


def expected_outputs(layer, tokens):
    config = types.SimpleNamespace(
        pooling=layer.pooling,
        num_prefix_tokens=layer.num_prefix_tokens,
        pool_prefix_tokens=False,
        use_distillation_token=layer.use_distillation,
        use_head_norm=layer.use_norm,
        pre_logits_dim=layer.pre_logits_dim,
        num_classes=layer.num_classes,
        num_heads=2,
        activation="gelu",
        norm=layer.norm_kind,
        norm_epsilon=1e-6,
    )
    return numpy_reference.head(tokens, numpy_reference.weights_of(layer), config)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    "settings",
    [
        {"num_classes": 0},
        {"num_classes": 4, "use_norm": True},
        {"num_classes": 4, "use_norm": True, "norm": "rms_norm"},
        {"num_classes": 4, "pre_logits_dim": 5},
    ],
    ids=str,
)
def test_outputs_equal_numpy(tokens, randomise, pooling, settings):
    layer = make(randomise, pooling, num_prefix_tokens=2, **settings)
    outputs = checks.to_numpy(layer(tokens))
    expected = expected_outputs(layer, tokens)
    assert outputs.shape == layer.compute_output_shape(tokens.shape) == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_classes": 4},
        {"num_classes": 0},
        {"num_classes": 4, "use_norm": True},
        {"num_classes": 0, "use_norm": True},
    ],
    ids=str,
)
def test_distillation_averages_what_the_first_two_tokens_say(tokens, randomise, settings):
    layer = make(randomise, "token", use_distillation=True, num_prefix_tokens=2, **settings)
    outputs = checks.to_numpy(layer(tokens))
    expected = expected_outputs(layer, tokens)
    assert outputs.shape == layer.compute_output_shape(tokens.shape) == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_array_equal(checks.to_numpy(layer(tokens[:, :2])), outputs)


def test_distillation_has_logits_of_its_own():
    layer = ClassificationHead(3, use_distillation=True)
    layer.build((None, 6, 8))
    logits = {f"{name}/{kind}" for name in ("logits", "distillation_logits") for kind in ("kernel", "bias")}
    assert set(numpy_reference.weights_of(layer)) == logits


def test_token_mean_is_the_first_token_beside_the_mean_of_the_patches(tokens):
    outputs = checks.to_numpy(ClassificationHead(0, pooling="token_mean", num_prefix_tokens=2)(tokens))
    np.testing.assert_array_equal(outputs[:, :8], tokens[:, 0])
    np.testing.assert_allclose(outputs[:, 8:], tokens[:, 2:].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
@pytest.mark.parametrize("num_prefix_tokens", [0, 1, 3])
def test_prefix_tokens_are_left_out(tokens, randomise, pooling, num_prefix_tokens):
    layer = make(randomise, pooling, num_classes=2, num_prefix_tokens=num_prefix_tokens)
    logits = checks.to_numpy(layer(tokens))
    changed = tokens.copy()
    changed[:, :num_prefix_tokens] = 100
    np.testing.assert_array_equal(checks.to_numpy(layer(changed)), logits)
    changed[:, num_prefix_tokens] = 100
    assert not np.allclose(checks.to_numpy(layer(changed)), logits)


def test_token_pooling_reads_the_first_token_alone(tokens, randomise):
    layer = make(randomise, "token", num_classes=2)
    logits = checks.to_numpy(layer(tokens))
    np.testing.assert_array_equal(checks.to_numpy(layer(np.concatenate([tokens[:, :1]] * 4, axis=1))), logits)


def test_dropout_acts_in_training_only(tokens, randomise):
    layer = make(randomise, "mean", num_classes=0, dropout_rate=0.5)
    expected = expected_outputs(layer, tokens)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-6)
    trained = checks.to_numpy(layer(tokens, training=True))
    kept = trained != 0
    assert 0.2 < kept.mean() < 0.8
    np.testing.assert_allclose(trained[kept], 2 * expected[kept], rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_logits_are_float32_and_features_half_precision(tokens, policy):
    logits = ClassificationHead(3, dtype=policy)(tokens)
    features = ClassificationHead(0, dtype=policy)(tokens)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert keras.backend.standardize_dtype(features.dtype) == policy.removeprefix("mixed_")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 2, "pooling": "avg"}, "pooling to be one of .* got pooling='avg'"),
        ({"num_classes": -1}, "numbers >= 0; got num_classes=-1"),
        ({"num_classes": 2, "num_prefix_tokens": -1}, "numbers >= 0; got .*num_prefix_tokens=-1"),
        ({"num_classes": 2, "pooling": "attention"}, "needs attention_pooling=.* got pooling='attention'"),
        (
            {"num_classes": 2, "use_distillation": True, "pooling": "mean"},
            "with use_distillation=True; got pooling='mean'",
        ),
        ({"num_classes": 2, "use_distillation": True, "pre_logits_dim": 4}, "no pre_logits_dim .*pre_logits_dim=4"),
        ({"num_classes": 2, "attention_pooling": {"num_heads": 2, "mlp_dim": 4}}, "and only then; got pooling='token'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassificationHead(**arguments)
