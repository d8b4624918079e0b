"""The standardised convolution against one product per place."""

import keras
import numpy as np
import pytest

from keras_vit.layers import StandardizedConv2D
from tests import numpy_reference, stem_reference
from tests.layers import checks

CASE = checks.Case(
    layer=StandardizedConv2D,
    arguments={"filters": 6, "kernel_size": 3, "strides": 2, "epsilon": 1e-6},
    shape=(2, 5, 8, 3),
    dynamic_shape=(None, None, None, 3),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize(
    ("kernel_size", "strides", "size"),
    [(7, 2, (12, 9)), (3, 1, (5, 4)), (3, 2, (6, 7)), (1, 2, (5, 6)), (1, 1, (2, 3))],
)
def test_outputs_equal_one_product_per_place(rng, randomise, kernel_size, strides, size):
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    layer = StandardizedConv2D(5, kernel_size, strides=strides)
    layer.build(images.shape)
    randomise(layer)
    kernel = stem_reference.standardized(numpy_reference.weights_of(layer)["kernel"])
    np.testing.assert_allclose(
        checks.to_numpy(layer(images)), stem_reference.convolution(images, kernel, strides), atol=1e-4
    )


def test_the_kernel_that_images_meet_has_mean_0_and_variance_1_for_each_output():
    layer = StandardizedConv2D(4, 3)
    layer.build((None, 8, 8, 6))
    layer.kernel.assign(3 + 5 * np.random.default_rng(0).normal(size=layer.kernel.shape))
    columns = checks.to_numpy(layer.standardized_kernel()).reshape(-1, 4)
    np.testing.assert_allclose(columns.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(columns.var(0), 1, atol=1e-5)


def test_half_precision_rounds_the_kernel_only_once():
    layer = StandardizedConv2D(4, 1, dtype="mixed_float16")
    layer.build((None, 2, 2, 2))
    layer.kernel.assign(1e-3 * np.random.default_rng(0).normal(size=layer.kernel.shape))  # a variance of about 1e-6
    assert keras.backend.standardize_dtype(layer.standardized_kernel().dtype) == "float32"
    assert np.isfinite(checks.to_numpy(layer(np.ones((1, 2, 2, 2), "float32")))).all()


@pytest.mark.parametrize("wrong", [{"filters": 0}, {"kernel_size": 0}, {"strides": 0}, {"epsilon": 0.0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="StandardizedConv2D needs"):
        StandardizedConv2D(**{"filters": 4, "kernel_size": 3, **wrong})
