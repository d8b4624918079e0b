"""The convolutions of MobileCLIP's stem against their formula."""

import numpy as np
import pytest
from keras import ops

from keras_vit.layers import ConvStem
from tests import numpy_reference, stem_reference
from tests.layers import checks

CASE = checks.Case(
    layer=ConvStem,
    arguments={"output_dim": 6},
    shape=(2, 16, 8, 3),
    dynamic_shape=(None, None, None, 3),
    without_gradient=("/bias",),  # of the layer before: what is the same for all places, batch norm takes away
)


@pytest.fixture
def layer(randomise):
    layer = ConvStem(6)
    layer.build((None, 16, 8, 3))
    randomise(layer)
    for norm in layer.norms:
        norm.moving_variance.assign(ops.abs(norm.moving_variance) + 0.1)
    return layer


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


def test_outputs_equal_the_formula_with_stored_statistics(layer, rng):
    images = rng.normal(size=(2, 16, 8, 3)).astype("float32")
    expected = stem_reference.conv_stem(images, numpy_reference.weights_of(layer))
    assert expected.shape == (2, 2, 1, 6)
    np.testing.assert_allclose(checks.to_numpy(layer(images)), expected, atol=1e-4)


def test_training_moves_the_statistics_and_a_frozen_stem_keeps_them(layer, rng):
    images = rng.normal(size=(4, 16, 8, 3)).astype("float32")
    before = checks.to_numpy(layer.norms[0].moving_mean.value)
    layer.trainable = False
    layer(images, training=True)
    np.testing.assert_array_equal(checks.to_numpy(layer.norms[0].moving_mean.value), before)
    layer.trainable = True
    layer(images, training=True)
    assert np.abs(checks.to_numpy(layer.norms[0].moving_mean.value) - before).max() > 1e-4


def test_sizes_that_8_does_not_divide_are_refused():
    with pytest.raises(ValueError, match="patch size divides the image size|image sizes that the patch size divides"):
        ConvStem(6)(np.zeros((1, 12, 8, 3), "float32"))


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ValueError, match="ConvStem needs output_dim >= 1"):
        ConvStem(0)
