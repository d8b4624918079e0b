"""The ResNet in front of a hybrid against its formula."""

import numpy as np
import pytest

from keras_vit.layers import ResNetStem
from tests import numpy_reference, stem_reference
from tests.layers import checks

CASE = checks.Case(
    layer=ResNetStem,
    arguments={"depths": (1,), "root_dim": 32},
    shape=(2, 8, 9, 3),
    dynamic_shape=(None, None, None, 3),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize(("depths", "strides", "channels"), [((), 4, 32), ((2,), 4, 128), ((1, 2), 8, 256)])
def test_outputs_equal_the_formula(rng, randomise, depths, strides, channels):
    images = rng.normal(size=(2, 16, 17, 3)).astype("float32")
    layer = ResNetStem(depths, root_dim=32)
    layer.build(images.shape)
    randomise(layer)
    expected = stem_reference.res_net_stem(images, numpy_reference.weights_of(layer), depths)
    assert expected.shape == (2, -(-16 // strides), -(-17 // strides), channels)
    assert layer.compute_output_shape(images.shape) == expected.shape
    np.testing.assert_allclose(checks.to_numpy(layer(images)), expected, atol=2e-4)


def test_the_stem_of_r50_is_that_of_the_paper():
    stem = ResNetStem((3, 4, 9))
    assert stem.compute_output_shape((None, 224, 224, 3)) == (None, 14, 14, 1024)
    assert ResNetStem((3, 4, 6, 3)).compute_output_shape((None, 224, 224, 3)) == (None, 7, 7, 2048)
    assert stem.compute_output_shape((None, None, None, 3)) == (None, None, None, 1024)


@pytest.mark.parametrize("wrong", [{"depths": (2, 0)}, {"root_dim": 48}, {"root_dim": 0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="ResNetStem needs depths >= 1 and root_dim to be a multiple of 32"):
        ResNetStem(**wrong)
