"""Patch tokens on their grid."""

import keras
import numpy as np
import pytest

from keras_vit.layers import PatchGrid
from tests.layers.checks import to_numpy


@pytest.mark.parametrize("num_prefix_tokens", [0, 3])
def test_tokens_go_row_by_row_and_prefix_tokens_are_left_out(rng, num_prefix_tokens):
    tokens = rng.normal(size=(2, num_prefix_tokens + 6, 5)).astype("float32")
    grid = to_numpy(PatchGrid()(tokens, np.zeros((2, 2, 3, 4), "float32")))
    assert grid.shape == (2, 2, 3, 5)
    for row in range(2):
        for column in range(3):
            np.testing.assert_array_equal(grid[:, row, column], tokens[:, num_prefix_tokens + 3 * row + column])


def test_any_size_is_saved_and_reloaded(rng, tmp_path):
    inputs = (keras.Input((None, 5)), keras.Input((None, None, 4)))
    model = keras.Model(inputs, PatchGrid(name="patch_grid")(*inputs))
    assert model.output.shape == (None, None, None, 5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for rows, columns in ((2, 3), (3, 1)):
        batch = (rng.normal(size=(2, 1 + rows * columns, 5)), np.zeros((2, rows, columns, 4)))
        assert again.predict(batch, verbose=0).shape == (2, rows, columns, 5)


def test_fewer_tokens_than_patches_are_refused():
    with pytest.raises(ValueError, match="5 tokens for 2 x 3 patches"):
        PatchGrid()(np.zeros((1, 5, 4), "float32"), np.zeros((1, 2, 3, 4), "float32"))
