"""The bottleneck of a ResNet against its formula."""

import numpy as np
import pytest

from keras_vit.layers import Bottleneck
from tests import numpy_reference, stem_reference
from tests.layers import checks

CASE = checks.Case(
    layer=Bottleneck,
    arguments={"filters": 128, "strides": 2},
    shape=(2, 5, 6, 32),
    dynamic_shape=(None, None, None, 32),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize(("channels", "strides", "has_projection"), [(32, 1, True), (128, 2, True), (128, 1, False)])
def test_outputs_equal_the_formula(rng, randomise, channels, strides, has_projection):
    images = rng.normal(size=(2, 5, 4, channels)).astype("float32")
    layer = Bottleneck(128, strides=strides)
    layer.build(images.shape)
    randomise(layer)
    weights = numpy_reference.weights_of(layer)
    assert ("shortcut_conv/kernel" in weights) == has_projection
    expected = stem_reference.bottleneck(images, weights, strides)
    np.testing.assert_allclose(checks.to_numpy(layer(images)), expected, atol=1e-4)


@pytest.mark.parametrize("wrong", [{"filters": 0}, {"filters": 96}, {"strides": 0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="Bottleneck needs filters to be a multiple of 128"):
        Bottleneck(**{"filters": 128, **wrong})
