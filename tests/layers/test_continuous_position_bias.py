"""The bias that a small network makes of an offset, against its formula."""

import numpy as np
import pytest

from keras_vit.layers import ContinuousPositionBias
from tests import numpy_reference, swin_reference
from tests.layers import checks

CASE = checks.Case(
    layer=ContinuousPositionBias,
    arguments={"num_heads": 2, "window_size": (2, 3), "pretrained_window_size": 4},
    shape=(2, 2, 6, 6),
    dynamic_shape=(None, 2, 6, 6),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize(("window", "pretrained"), [((2, 3), 0), ((3, 3), 6), ((1, 4), 0)])
def test_each_offset_has_the_bias_of_the_formula(window, pretrained, randomise):
    layer = ContinuousPositionBias(2, window, pretrained_window_size=pretrained)
    layer.build()
    randomise(layer)
    weights, bias = numpy_reference.weights_of(layer), checks.to_numpy(layer.bias())
    assert bias.shape == (2, window[0] * window[1], window[0] * window[1])
    for query in range(bias.shape[1]):
        for key in range(bias.shape[2]):
            offset = (query // window[1] - key // window[1], query % window[1] - key % window[1])
            expected = swin_reference.continuous_bias(offset, window, pretrained, weights)
            np.testing.assert_allclose(bias[:, query, key], expected, atol=1e-4)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"ContinuousPositionBias needs .* got num_heads=0, window_size=\(2, 2\)"):
        ContinuousPositionBias(0, (2, 2))
