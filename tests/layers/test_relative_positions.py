"""Relative positions: which bias belongs to which pair of tokens."""

import numpy as np
import pytest

from keras_vit.layers import RelativePositionBias
from keras_vit.layers.relative_positions import count_relative_positions, relative_position_index
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=RelativePositionBias,
    arguments={"num_heads": 3, "grid_size": (2, 2), "use_class_token": True},
    shape=(2, 3, 5, 5),
    dynamic_shape=(None, 3, 5, 5),
)


@pytest.mark.parametrize("check", [check for check in checks.ALL if check is not checks.training_step])
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


def test_pairs_of_one_offset_share_a_row():
    # Two rows, one column: offsets -1, 0 and 1, by query and key.
    np.testing.assert_array_equal(relative_position_index((2, 1)), [[1, 0], [2, 1]])
    # Then, with a class token in front: from it to patches, from patches to it, and itself.
    expected = [[5, 3, 3], [4, 1, 0], [4, 2, 1]]
    np.testing.assert_array_equal(relative_position_index((2, 1), use_class_token=True), expected)
    assert count_relative_positions((2, 1)) == 3
    assert count_relative_positions((2, 1), use_class_token=True) == 6


@pytest.mark.parametrize("grid_size", [(2, 3), (3, 2), (1, 4)])
def test_the_bias_of_every_pair_equals_numpy(grid_size, randomise):
    layer = RelativePositionBias(2, grid_size, use_class_token=True)
    layer.build()
    randomise(layer)
    table = checks.to_numpy(layer.table.value)
    expected = [numpy_reference.position_bias(table[:, head], *grid_size) for head in range(2)]
    np.testing.assert_array_equal(checks.to_numpy(layer.bias()), np.float32(expected))
    logits = np.ones((1, 2, *np.shape(expected)[1:]), "float32")
    np.testing.assert_allclose(checks.to_numpy(layer(logits))[0], 1 + np.float32(expected), rtol=1e-6)


@pytest.mark.parametrize("arguments", [{"num_heads": 0}, {"grid_size": (0, 2)}, {"grid_size": (2,)}], ids=str)
def test_wrong_sizes_are_one_error(arguments):
    with pytest.raises(ValueError, match="RelativePositionBias needs num_heads >= 1 and two sizes >= 1; got"):
        RelativePositionBias(**{"num_heads": 2, "grid_size": (2, 2), **arguments})
