"""Prefix tokens: their order and place."""

import numpy as np
import pytest

from keras_vit.layers import PrefixTokens
from tests.layers import checks

CASE = checks.Case(
    layer=PrefixTokens,
    arguments={"use_class_token": True, "use_distillation_token": True, "num_register_tokens": 3},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


def test_the_order_is_class_distillation_registers_patches(rng):
    tokens = rng.normal(size=(2, 4, 8)).astype("float32")
    layer = PrefixTokens(use_distillation_token=True, num_register_tokens=2)
    layer.build(tokens.shape)
    rows = np.arange(1, 5, dtype="float32")[:, None] * np.ones(8, "float32")
    layer.class_token.assign(rows[:1])
    layer.distillation_token.assign(rows[1:2])
    layer.register_tokens.assign(rows[2:])
    outputs = checks.to_numpy(layer(tokens))
    np.testing.assert_array_equal(outputs[:, :4], np.stack([rows, rows]))
    np.testing.assert_array_equal(outputs[:, 4:], tokens)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({}, ["class_token"]),
        ({"use_class_token": False, "num_register_tokens": 4}, ["register_tokens"]),
        ({"use_distillation_token": True}, ["class_token", "distillation_token"]),
    ],
)
def test_only_the_chosen_tokens_exist(arguments, names):
    layer = PrefixTokens(**arguments)
    layer.build((None, 5, 8))
    assert [weight.name for weight in layer.weights] == names
    assert layer.num_prefix_tokens == sum(weight.shape[0] for weight in layer.weights)


def test_they_start_as_wide_as_positions():
    layer = PrefixTokens(num_register_tokens=20)
    layer.build((None, 5, 64))
    for tokens in (layer.class_token, layer.register_tokens):
        assert checks.to_numpy(tokens.value).std() == pytest.approx(0.02, rel=0.3)


def test_without_any_the_tokens_stay_as_they_are(rng):
    tokens = rng.normal(size=(2, 4, 8)).astype("float32")
    layer = PrefixTokens(use_class_token=False)
    np.testing.assert_array_equal(checks.to_numpy(layer(tokens)), tokens)
    assert layer.compute_output_shape((None, 4, 8)) == (None, 4, 8)


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="PrefixTokens needs num_register_tokens >= 0; got num_register_tokens=-1"):
        PrefixTokens(num_register_tokens=-1)
