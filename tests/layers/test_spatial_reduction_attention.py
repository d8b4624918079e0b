"""Attention over a reduced grid against NumPy, head by head."""

import numpy as np
import pytest

from keras_vit.layers import SpatialReductionAttention
from keras_vit.layers.adaptive_mean import adaptive_mean
from tests import numpy_reference, pyramid_reference
from tests.layers import checks

RATES = {"attention_dropout_rate": 0.2, "dropout_rate": 0.1}
CASES = {
    "reduced": checks.Case(
        layer=SpatialReductionAttention,
        arguments={
            "num_heads": 2,
            "reduction_size": 2,
            "use_qkv_bias": False,
            "norm_epsilon": 1e-4,
            "seed": 3,
            **RATES,
        },
        shape=(2, 4, 6, 8),
        dynamic_shape=(None, None, None, 8),
    ),
    "pooled": checks.Case(
        layer=SpatialReductionAttention,
        arguments={"num_heads": 2, "use_pooling": True, **RATES},
        shape=(2, 4, 6, 8),
        dynamic_shape=(None, None, None, 8),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


def make(randomise, *arguments, **settings):
    layer = SpatialReductionAttention(*arguments, **settings)
    layer.build((None, None, None, 8))
    randomise(layer)
    return layer, numpy_reference.weights_of(layer)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reduction_size": 2},
        {"reduction_size": 3},  # leaves out what it does not divide
        {"reduction_size": 4},  # one key
        {"reduction_size": 2, "use_qkv_bias": False},
        {"use_pooling": True},
    ],
    ids=str,
)
def test_outputs_and_scores_equal_numpy(rng, randomise, settings):
    patches = rng.normal(size=(2, 4, 6, 8)).astype("float32")
    layer, weights = make(randomise, 4, norm_epsilon=1e-2, **settings)
    expected, scores = pyramid_reference.attention(patches, weights, 4, reduction_norm_epsilon=1e-2, **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(patches)), expected, atol=2e-5)
    np.testing.assert_allclose(checks.to_numpy(layer.attention_scores(patches)), scores, atol=1e-5)


def test_without_reduction_there_is_neither_convolution_nor_norm(randomise):
    _, weights = make(randomise, 2)
    assert {name.split("/")[0] for name in weights} == {"query", "key_value", "projection"}


@pytest.mark.parametrize("size", [(7, 7), (14, 28), (4, 6), (10, 1), (15, 8)], ids=str)
def test_bins_of_the_adaptive_mean_are_those_of_pytorch(rng, size):
    patches = rng.normal(size=(2, *size, 3)).astype("float32")
    means = checks.to_numpy(adaptive_mean(patches, 7))
    np.testing.assert_allclose(means, pyramid_reference.adaptive_mean(patches, 7), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 0}, "SpatialReductionAttention needs numbers >= 1; got num_heads=0, reduction_size=1"),
        ({"num_heads": 2, "reduction_size": 0}, "got num_heads=2, reduction_size=0"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpatialReductionAttention(**arguments)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="num_heads=3, embed_dim=8"):
        SpatialReductionAttention(3).build((None, 4, 4, 8))


def test_a_grid_smaller_than_the_reduction_is_refused(rng, randomise):
    layer, _ = make(randomise, 2, 4)
    with pytest.raises(ValueError, match=r"needs images of at least one patch; got image_size=\(2, 5\)"):
        layer(rng.normal(size=(1, 2, 5, 8)).astype("float32"))
