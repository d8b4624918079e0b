"""Windows: cut, put together again, shifted, and kept apart at the seam."""

import numpy as np
import pytest

from keras_vit.layers import windows
from tests import swin_reference
from tests.layers.checks import to_numpy


@pytest.fixture
def patches(rng):
    return rng.normal(size=(2, 4, 6, 3)).astype("float32")


def test_windows_follow_row_by_row(patches):
    cut = to_numpy(windows.partition_windows(patches, (2, 3)))
    assert cut.shape == (2 * 4, 6, 3)
    np.testing.assert_array_equal(cut[1], patches[0, 0:2, 3:6].reshape(6, 3))
    np.testing.assert_array_equal(cut[2], patches[0, 2:4, 0:3].reshape(6, 3))
    np.testing.assert_array_equal(cut[4], patches[1, 0:2, 0:3].reshape(6, 3))


def test_merging_undoes_partitioning(patches):
    cut = windows.partition_windows(patches, (2, 3))
    np.testing.assert_array_equal(to_numpy(windows.merge_windows(cut, (2, 3), (4, 6))), patches)


@pytest.mark.parametrize(("window_size", "grid"), [((3, 4), (6, 8)), ((2, 3), (4, 6)), ((5, 7), (5, 7))])
def test_zeros_fill_up_at_the_bottom_and_right(patches, window_size, grid):
    padded = to_numpy(windows.pad_to_windows(patches, window_size))
    assert padded.shape[1:3] == grid
    np.testing.assert_array_equal(padded[:, :4, :6], patches)
    assert np.abs(padded).sum() == pytest.approx(np.abs(patches).sum(), rel=1e-5)


def test_an_axis_that_one_window_covers_is_not_shifted():
    assert windows.effective_shift((8, 4), (4, 4), (2, 2)) == (2, 0)
    assert windows.effective_shift((3, 4), (4, 4), (2, 2)) == (0, 0)


def test_shifting_back_undoes_a_shift(patches):
    shifted = windows.shift_patches(patches, (1, 2))
    np.testing.assert_array_equal(to_numpy(shifted)[:, 0, 0], patches[:, 1, 2])
    np.testing.assert_array_equal(to_numpy(windows.shift_patches(shifted, (1, 2), back=True)), patches)


def test_nothing_is_hidden_without_a_shift():
    assert windows.shift_mask((4, 6), (2, 3), (0, 0)) is None


@pytest.mark.parametrize(
    ("grid", "window", "shift"), [((4, 6), (2, 3), (1, 1)), ((8, 4), (4, 4), (2, 0)), ((6, 6), (3, 2), (2, 1))]
)
def test_pairs_across_the_seam_are_hidden(grid, window, shift):
    hidden = swin_reference.seam(window, shift, grid)
    num_tokens, across = window[0] * window[1], grid[1] // window[1]
    expected = np.zeros((grid[0] * grid[1] // num_tokens, num_tokens, num_tokens))
    for number in range(len(expected)):
        top, left = number // across * window[0], number % across * window[1]
        places = [(top + row, left + column) for row in range(window[0]) for column in range(window[1])]
        expected[number] = [[hidden(one, other) for other in places] for one in places]
    np.testing.assert_array_equal(windows.shift_mask(grid, window, shift), expected)
    assert (expected == -100).any()
