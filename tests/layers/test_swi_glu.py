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


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


def test_outputs_equal_numpy(rng, randomise):
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    layer = SwiGLU(12)
    layer.build(tokens.shape)
    randomise(layer)
    expected = numpy_reference.swiglu(tokens, numpy_reference.weights_of(layer))
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)


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
