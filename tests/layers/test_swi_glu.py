"""The gated feed-forward part against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import SwiGLU
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=SwiGLU,
    arguments={"mlp_dim": 12, "dropout_rate": 0.2, "seed": 3},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)

NORM_CASE = checks.Case(
    layer=SwiGLU,
    arguments={"mlp_dim": 12, "use_bias": False, "sub_norm": "rms_norm", "norm_epsilon": 1e-5, "dropout_rate": 0.2},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)


@pytest.mark.parametrize("case", [CASE, NORM_CASE], ids=["plain", "norm"])
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_bias": False},
        {"sub_norm": "layer_norm", "norm_epsilon": 1e-2},
        {"sub_norm": "rms_norm", "use_bias": False},
    ],
    ids=str,
)
def test_outputs_equal_numpy(rng, randomise, settings):
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    layer = SwiGLU(12, **settings)
    layer.build(tokens.shape)
    randomise(layer)
    expected = numpy_reference.swiglu(tokens, numpy_reference.weights_of(layer), **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({}, ["expand/bias", "contract/bias"]),
        ({"use_bias": False}, []),
        ({"use_bias": False, "sub_norm": "layer_norm"}, ["norm/gamma", "norm/beta"]),
        ({"use_bias": False, "sub_norm": "rms_norm"}, ["norm/scale"]),
    ],
    ids=str,
)
def test_biases_and_norm_exist_only_when_asked_for(settings, more):
    layer = SwiGLU(12, **settings)
    layer.build((None, 5, 8))
    assert set(numpy_reference.weights_of(layer)) == {"expand/kernel", "contract/kernel", *more}


def test_dropout_acts_in_training_only(rng):
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    layer = SwiGLU(12, dropout_rate=0.5)
    layer.build(tokens.shape)
    expected = numpy_reference.swiglu(tokens, numpy_reference.weights_of(layer))
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)
    trained = checks.to_numpy(layer(tokens, training=True))
    assert 0.2 < (trained == 0).mean() < 0.8


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match="SwiGLU needs mlp_dim >= 1; got mlp_dim=0"):
        SwiGLU(0)
