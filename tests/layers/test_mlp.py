"""The feed-forward part against NumPy, with each activation."""

import numpy as np
import pytest

from keras_vit.layers import MLP
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=MLP,
    arguments={"mlp_dim": 12, "activation": "quick_gelu", "dropout_rate": 0.2, "seed": 3},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "quick_gelu", "silu"])
def test_outputs_equal_numpy(rng, randomise, activation):
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    layer = MLP(12, activation=activation)
    layer.build(tokens.shape)
    randomise(layer)
    expected = numpy_reference.mlp(tokens, numpy_reference.weights_of(layer), activation)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)


def test_dropout_acts_in_training_only(rng):
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    layer = MLP(12, dropout_rate=0.5)
    expected = numpy_reference.mlp(tokens, numpy_reference.weights_of(_built(layer)))
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)
    trained = checks.to_numpy(layer(tokens, training=True))
    assert 0.2 < (trained == 0).mean() < 0.8


def _built(layer):
    layer.build((None, 5, 8))
    return layer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mlp_dim": 0}, "MLP needs mlp_dim >= 1; got mlp_dim=0"),
        ({"mlp_dim": 4, "activation": "relu"}, "activation needs to be one of .* got activation='relu'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLP(**arguments)
