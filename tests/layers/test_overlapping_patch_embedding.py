"""Overlapping patch embedding against one explicit product per patch."""

import numpy as np
import pytest

from keras_vit.layers import OverlappingPatchEmbedding
from tests import numpy_reference, pyramid_reference
from tests.layers import checks

CASE = checks.Case(
    layer=OverlappingPatchEmbedding,
    arguments={"patch_size": 3, "stride": 2, "embed_dim": 6, "norm_epsilon": 1e-4},
    shape=(2, 4, 8, 3),
    dynamic_shape=(None, None, None, 3),
)


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize(
    ("patch_size", "stride", "size"), [(7, 4, (8, 12)), (7, 4, (9, 7)), (3, 2, (5, 6)), (3, 2, (1, 1)), (3, 3, (6, 3))]
)
def test_outputs_equal_one_product_per_patch(rng, randomise, patch_size, stride, size):
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    layer = OverlappingPatchEmbedding(patch_size, stride, 5, norm_epsilon=1e-2)
    layer.build((None, None, None, 3))
    randomise(layer)
    expected = pyramid_reference.embedding(images, numpy_reference.weights_of(layer), patch_size, stride, 1e-2)
    outputs = checks.to_numpy(layer(images))
    assert outputs.shape == expected.shape == layer.compute_output_shape(images.shape)
    np.testing.assert_allclose(outputs, expected, atol=2e-5)


@pytest.mark.parametrize("arguments", [(4, 2, 8), (3, 0, 8), (3, 4, 8), (3, 2, 0)], ids=str)
def test_sizes_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="needs an odd patch_size, 0 < stride <= patch_size and embed_dim >= 1; got"):
        OverlappingPatchEmbedding(*arguments)


def test_another_number_of_channels_than_it_was_built_for_is_refused(rng):
    layer = OverlappingPatchEmbedding(3, 2, 6)
    layer.build((None, 4, 4, 3))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        layer(rng.normal(size=(2, 4, 4, 1)).astype("float32"))
