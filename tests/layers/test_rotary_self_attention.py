"""Attention with rotary positions against NumPy, head by head."""

import numpy as np
import pytest

from keras_vit.layers import RotarySelfAttention
from tests import numpy_reference, rotary_reference
from tests.layers import checks

CASE = checks.Case(
    layer=RotarySelfAttention,
    arguments={
        "num_heads": 2,
        "num_key_value_heads": 1,
        "pairing": "halves",
        "use_key_bias": False,
        "use_qk_norm": True,
        "use_sub_norm": True,
        "attention_dropout_rate": 0.2,
        "dropout_rate": 0.1,
        "norm": "rms_norm",
        "norm_epsilon": 1e-5,
        "seed": 3,
    },
    shape=(2, 5, 16),
    dynamic_shape=(None, None, 16),
)

SETTINGS = [
    {"num_heads": 1},
    {"num_heads": 4, "pairing": "halves", "use_qkv_bias": False, "use_key_bias": False},
    {"num_heads": 2, "use_key_bias": False, "use_sub_norm": True},
    {"num_heads": 4, "num_key_value_heads": 4, "use_qk_norm": True},
    {"num_heads": 4, "num_key_value_heads": 2, "use_qk_norm": True, "norm": "rms_norm"},
    {"num_heads": 4, "num_key_value_heads": 1, "use_key_bias": False},
]


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.fixture
def tokens(rng):
    return rng.normal(size=(2, 5, 16)).astype("float32")


def make(randomise, **settings):
    layer = RotarySelfAttention(**settings)
    layer.build((None, 5, 16))
    randomise(layer)
    return layer


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_outputs_equal_numpy(tokens, rng, randomise, settings):
    layer, head_dim = make(randomise, **settings), 16 // settings["num_heads"]
    weights, settings = numpy_reference.weights_of(layer), {"pairing": "neighbours", **settings}
    angles = rng.normal(size=(5, 1, head_dim // 2)).astype("float32")
    rotations = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
    per_head = np.broadcast_to(angles.transpose(1, 0, 2), (settings["num_heads"], 5, head_dim // 2))
    for given, known in (((rotations,), per_head), ((), None)):
        expected = rotary_reference.attention(tokens, weights, known, **settings)
        np.testing.assert_allclose(checks.to_numpy(layer(tokens, *given)), expected, atol=2e-5)
        scores = checks.to_numpy(layer.attention_scores(tokens, *given))
        np.testing.assert_allclose(
            scores, rotary_reference.attention_scores(tokens, weights, known, **settings), atol=1e-6
        )
        np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-5)


def test_each_head_may_be_turned_by_its_own_angles(tokens, rng, randomise):
    layer = make(randomise, num_heads=2)
    angles = rng.normal(size=(5, 2, 4)).astype("float32")
    rotations = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
    weights = numpy_reference.weights_of(layer)
    per_head = angles.transpose(1, 0, 2)
    expected = rotary_reference.attention(tokens, weights, per_head, num_heads=2, pairing="neighbours")
    np.testing.assert_allclose(checks.to_numpy(layer(tokens, rotations)), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 0}, "RotarySelfAttention needs num_heads >= 1; got num_heads=0"),
        ({"num_heads": 4, "num_key_value_heads": 3}, "needs num_key_value_heads that divides num_heads=4"),
        ({"num_heads": 4, "pairing": "thirds"}, "needs pairing to be one of"),
        ({"num_heads": 4, "use_qkv_bias": False}, "needs use_qkv_bias=True with use_key_bias=True"),
        ({"num_heads": 4, "norm": "batch_norm"}, "needs norm to be one of"),
        ({"num_heads": 3}, "needs num_heads that divides the width; got num_heads=3, embed_dim=16"),
    ],
)
def test_wrong_arguments_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        RotarySelfAttention(**settings).build((None, 5, 16))
