"""Cosines between tokens, positions and filters, against NumPy."""

import numpy as np
import pytest

from keras_vit.visualize import patch_filters, patch_similarity, position_similarity
from tests import numpy_reference
from tests.visualize.models import images_for, make_tiny, make_vit, to_numpy


def cosine(first, second):
    return first @ second / np.linalg.norm(first) / np.linalg.norm(second)


def test_patches_are_compared_by_their_tokens():
    model = make_vit(num_register_tokens=2)
    images = images_for(model)
    tokens = to_numpy(model.features(images, layers=1))[:, 3:]
    maps = patch_similarity(model, images, (1, 0), layer=1)
    assert maps.shape == (2, 2, 3)
    for image in range(2):
        for row in range(2):
            for column in range(3):
                expected = cosine(tokens[image, row * 3 + column], tokens[image, 3])
                assert maps[image, row, column] == pytest.approx(expected, abs=1e-5)


def test_stages_have_similarity_on_their_own_grid():
    model = make_tiny("Swin")
    images = images_for(model)
    grid = to_numpy(model.features(images, layers=-1))
    maps = patch_similarity(model, images, (2, 3))
    assert maps.shape == grid.shape[:3]
    assert maps[1, 0, 1] == pytest.approx(cosine(grid[1, 0, 1], grid[1, 2, 3]), abs=1e-5)
    np.testing.assert_allclose(maps[:, 2, 3], 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("patch", "layer", "message"), [((2, 0), -1, r"got \(2, 0\)"), ((0,), -1, r"got \(0,\)"), ((0, 0), 3, "got 3")]
)
def test_patches_and_layers_out_of_range_are_refused(patch, layer, message):
    model = make_vit()
    with pytest.raises(ValueError, match=f"patch_similarity needs .*{message}"):
        patch_similarity(model, images_for(model), patch, layer)


def test_positions_are_compared_by_their_vectors():
    model = make_vit()
    table = numpy_reference.weights_of(model.get_layer("positional_encoding"))["table"]
    maps = position_similarity(model)
    assert maps.shape == (2, 3, 2, 3)
    for place in np.ndindex(2, 3, 2, 3):
        assert maps[place] == pytest.approx(cosine(table[place[:2]], table[place[2:]]), abs=1e-5)


def test_filters_are_principal_components_of_the_kernel():
    model = make_vit(embed_dim=60, num_heads=2)
    kernel = numpy_reference.weights_of(model.get_layer("patch_embedding"))["kernel"]
    covariance = np.cov(kernel.reshape(48, 60))
    filters = patch_filters(model, 3)
    assert filters.shape == (3, 4, 4, 3)
    variances = np.sort(np.linalg.eigvalsh(covariance))[::-1]
    for component, variance in zip(filters.reshape(3, 48), variances, strict=False):
        np.testing.assert_allclose(covariance @ component, variance * component, atol=1e-5)
        assert np.linalg.norm(component) == pytest.approx(1, abs=1e-5)
        assert component[np.abs(component).argmax()] > 0
    assert len(patch_filters(model)) == 28


def test_what_a_model_lacks_is_refused():
    for model in (make_vit(positional_encoding="none"), make_tiny("Swin")):
        with pytest.raises(ValueError, match="position_similarity needs a model with a table of positions"):
            position_similarity(model)
    with pytest.raises(ValueError, match="patch_filters needs num_filters from 1 to 8 for this model; got 9"):
        patch_filters(make_vit(), 9)
    with pytest.raises(ValueError, match="patch_filters needs a model with a PatchEmbedding"):
        patch_filters(None)
