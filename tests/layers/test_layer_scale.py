"""Layer scale: one factor per channel."""

import numpy as np
import pytest

from keras_vit.layers import LayerScale
from tests.layers import checks

CASE = checks.Case(layer=LayerScale, arguments={"initial_value": 0.25}, shape=(2, 5, 8), dynamic_shape=(None, None, 8))


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


def test_channels_are_multiplied_by_their_factors(rng):
    tokens = rng.normal(size=(2, 3, 4)).astype("float32")
    layer = LayerScale()
    layer.build(tokens.shape)
    factors = np.array([0, 0.5, -1, 2], "float32")
    layer.factors.assign(factors)
    np.testing.assert_array_equal(checks.to_numpy(layer(tokens)), tokens * factors)


def test_factors_start_at_the_initial_value():
    layer = LayerScale(0.1)
    layer.build((None, 3, 4))
    np.testing.assert_array_equal(checks.to_numpy(layer.factors.value), np.full(4, 0.1, "float32"))


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_a_value_that_is_not_positive_is_refused(value):
    with pytest.raises(ValueError, match=f"LayerScale needs initial_value > 0; got initial_value={value}"):
        LayerScale(value)
