"""Levels of the simple pyramid against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import PyramidLevel
from tests import numpy_reference
from tests.layers import checks

# Doubling halves the channels, and the norm of only two multiplies what rounding left of their difference.
WIDTH = 32

CASES = {
    num_doublings: checks.Case(
        layer=PyramidLevel,
        arguments={"num_doublings": num_doublings, "pyramid_dim": 6, "norm_epsilon": 1e-5},
        shape=(2, 3, 4, WIDTH),
        dynamic_shape=(None, None, None, WIDTH),
    )
    for num_doublings in (-2, 0, 2)
}


@pytest.mark.parametrize("case", CASES.values(), ids=[str(number) for number in CASES])
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


def double(patches, weights):
    """A transposed convolution of stride 2 with a 2 x 2 kernel (height, width, out, in): every place becomes four."""
    batch, rows, columns, _ = patches.shape
    kernel = weights["kernel"]
    larger = np.zeros((batch, 2 * rows, 2 * columns, kernel.shape[2]))
    for down in range(2):
        for across in range(2):
            larger[:, down::2, across::2] = patches @ kernel[down, across].T
    return larger + weights["bias"]


def smooth(patches, weights):
    """A 3 x 3 convolution without bias, zeros around."""
    _, rows, columns, _ = patches.shape
    padded = np.pad(patches, ((0, 0), (1, 1), (1, 1), (0, 0)))
    places = [(down, across) for down in range(3) for across in range(3)]
    return sum(
        padded[:, down : down + rows, across : across + columns] @ weights["kernel"][down, across]
        for down, across in places
    )


def halve(patches):
    """The largest of each 2 x 2 places; at the edge, of what is there."""
    _, rows, columns, _ = patches.shape
    smaller = [
        [patches[:, top : top + 2, left : left + 2].max(axis=(1, 2)) for left in range(0, columns, 2)]
        for top in range(0, rows, 2)
    ]
    return np.array(smaller).transpose(2, 0, 1, 3)


def level(patches, weights, num_doublings):
    """Section 3 of the paper, with norms as in Detectron2's SimpleFeaturePyramid."""
    part = numpy_reference.part
    patches = halve(patches) if num_doublings < 0 else patches
    for index in range(num_doublings):
        if index:
            patches = numpy_reference.norm(patches, part(weights, f"doubling_norm_{index}"))
            patches = numpy_reference.ACTIVATIONS["gelu"](patches)
        patches = double(patches, part(weights, f"doubling_{index}"))
    patches = numpy_reference.dense(patches, part(weights, "project"), use_bias=False)
    patches = smooth(numpy_reference.norm(patches, part(weights, "project_norm")), part(weights, "smooth"))
    return numpy_reference.norm(patches, part(weights, "smooth_norm"))


@pytest.mark.parametrize("num_doublings", [-1, 0, 1, 2, 3])
def test_equals_numpy(randomise, rng, num_doublings):
    layer = PyramidLevel(num_doublings, 6)
    layer.build((None, 3, 5, WIDTH))
    randomise(layer)
    patches = rng.normal(size=(2, 3, 5, WIDTH)).astype("float32")
    expected = level(patches.astype("float64"), numpy_reference.weights_of(layer), num_doublings)
    np.testing.assert_allclose(checks.to_numpy(layer(patches)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 0), "pyramid_dim >= 1"), ((4, 8), "a channel left.*embed_dim=8, num_doublings=4")],
)
def test_wrong_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PyramidLevel(*arguments).build((None, 2, 2, 8))
