"""Patch merging against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import PatchMerging
from tests import numpy_reference, swin_reference
from tests.layers import checks

CASE = checks.Case(
    layer=PatchMerging,
    arguments={"order": "post_norm", "norm_epsilon": 1e-4},
    shape=(2, 4, 6, 8),
    dynamic_shape=(None, None, None, 8),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize("size", [(4, 6), (3, 6), (5, 3)])
@pytest.mark.parametrize("order", ["pre_norm", "post_norm"])
def test_outputs_equal_numpy(order, size, randomise, rng):
    layer = PatchMerging(order)
    layer.build((None, None, None, 4))
    randomise(layer)
    patches = rng.normal(size=(2, *size, 4)).astype("float32")
    expected = swin_reference.merge(patches.astype("float64"), numpy_reference.weights_of(layer), order)
    np.testing.assert_allclose(checks.to_numpy(layer(patches)), expected, atol=1e-5)


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match=r"PatchMerging needs order to be one of .* got order='parallel'"):
        PatchMerging("parallel")
