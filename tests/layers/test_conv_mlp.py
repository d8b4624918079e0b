"""The feed-forward part with a depthwise convolution, and that convolution, against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import ConvMLP, DepthwiseConv
from tests import numpy_reference, pyramid_reference
from tests.layers import checks

CASES = {
    "plain": checks.Case(
        layer=ConvMLP,
        arguments={"mlp_dim": 12, "activation": "quick_gelu", "use_relu": True, "dropout_rate": 0.2, "seed": 3},
        shape=(2, 3, 4, 8),
        dynamic_shape=(None, None, None, 8),
    ),
    "depthwise": checks.Case(
        layer=DepthwiseConv, arguments={}, shape=(2, 3, 4, 8), dynamic_shape=(None, None, None, 8)
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


def built(layer, randomise):
    layer.build((None, None, None, 8))
    randomise(layer)
    return layer, numpy_reference.weights_of(layer)


@pytest.mark.parametrize("size", [(3, 4), (1, 1), (2, 7)], ids=str)
def test_each_channel_is_convolved_by_itself(rng, randomise, size):
    patches = rng.normal(size=(2, *size, 8)).astype("float32")
    layer, weights = built(DepthwiseConv(), randomise)
    np.testing.assert_allclose(
        checks.to_numpy(layer(patches)), pyramid_reference.depthwise(patches, weights), atol=1e-5
    )


@pytest.mark.parametrize("settings", [{}, {"activation": "silu"}, {"use_relu": True}], ids=str)
def test_outputs_equal_numpy(rng, randomise, settings):
    patches = rng.normal(size=(2, 3, 4, 8)).astype("float32")
    layer, weights = built(ConvMLP(12, **settings), randomise)
    theirs = {"activation": layer.activation, "use_pooling": layer.use_relu}
    expected = pyramid_reference.conv_mlp(patches, weights, **theirs)
    np.testing.assert_allclose(checks.to_numpy(layer(patches)), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mlp_dim": 0}, "ConvMLP needs mlp_dim >= 1; got mlp_dim=0"),
        ({"mlp_dim": 4, "activation": "relu"}, "activation needs to be one of .* got activation='relu'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvMLP(**arguments)
