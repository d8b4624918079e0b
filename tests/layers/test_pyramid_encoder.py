"""One layer of a pyramid's encoder against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import PyramidEncoder
from tests import numpy_reference, pyramid_reference
from tests.layers import checks

RATES = {"dropout_rate": 0.1, "attention_dropout_rate": 0.1, "drop_path_rate": 0.2}
CASES = {
    "reduced": checks.Case(
        layer=PyramidEncoder,
        arguments={
            "num_heads": 2,
            "mlp_dim": 12,
            "reduction_size": 2,
            "activation": "gelu_tanh",
            "use_qkv_bias": False,
            "norm_epsilon": 1e-5,
            "reduction_norm_epsilon": 1e-4,
            "seed": 3,
            **RATES,
        },
        shape=(2, 4, 6, 8),
        dynamic_shape=(None, None, None, 8),
    ),
    "pooled": checks.Case(
        layer=PyramidEncoder,
        arguments={"num_heads": 2, "mlp_dim": 12, "use_pooling": True, **RATES},
        shape=(2, 4, 6, 8),
        dynamic_shape=(None, None, None, 8),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.fixture
def patches(rng):
    return rng.normal(size=(2, 4, 6, 8)).astype("float32")


def make(randomise, **settings):
    layer = PyramidEncoder(2, 12, **settings)
    layer.build((None, None, None, 8))
    randomise(layer)
    return layer, numpy_reference.weights_of(layer)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reduction_size": 2, "norm_epsilon": 1e-2, "reduction_norm_epsilon": 1e-1},
        {"use_pooling": True, "activation": "silu", "use_qkv_bias": False},
    ],
    ids=str,
)
def test_outputs_equal_numpy(patches, randomise, settings):
    layer, weights = make(randomise, **settings)
    expected = pyramid_reference.encoder(patches, weights, 2, **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(patches)), expected, atol=5e-5)


def test_attention_scores_are_those_of_the_normalised_patches(patches, randomise):
    layer, weights = make(randomise, reduction_size=2)
    normed = numpy_reference.layer_norm(patches, numpy_reference.part(weights, "attention_norm"), 1e-6)
    attention = numpy_reference.part(weights, "attention")
    expected = pyramid_reference.attention(normed, attention, 2, reduction_size=2)[1]
    assert expected.shape == (2, 2, 24, 6)
    np.testing.assert_allclose(checks.to_numpy(layer.attention_scores(patches)), expected, atol=1e-5)


def test_drop_path_skips_each_branch_by_itself(patches, randomise):
    layer, _ = make(randomise, drop_path_rate=0.5)
    outputs = checks.to_numpy(layer(np.repeat(patches[:1], 64, axis=0), training=True))
    kinds = np.unique(np.round(outputs.reshape(64, -1), 3), axis=0)
    assert len(kinds) == 4
