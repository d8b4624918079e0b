"""Windows and coarser grids, put back in their places: against loops over single patches."""

import types

import numpy as np
import pytest

from keras_vit.visualize.patch_maps import attention_map, share_out, window_places


def test_windows_of_a_small_grid_by_hand():
    # 3 x 4 patches, windows of 2 x 2: one row of padding. Shifted, the first row and column go to the end.
    assert window_places((3, 4), (2, 2), (0, 0)).tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, -1, -1],
        [10, 11, -1, -1],
    ]
    assert window_places((3, 4), (2, 2), (1, 1)).tolist() == [
        [5, 6, 9, 10],
        [7, 4, 11, 8],
        [1, 2, -1, -1],
        [3, 0, -1, -1],
    ]


def test_an_axis_that_one_window_covers_is_not_shifted():
    assert window_places((2, 4), (2, 2), (1, 1)).tolist() == [[1, 2, 5, 6], [3, 0, 7, 4]]


@pytest.mark.parametrize("shift_size", [(0, 0), (1, 2)])
@pytest.mark.parametrize("query", [None, (3, 1)])
def test_maps_of_windows_are_the_mean_row_of_the_whole_attention_matrix(rng, shift_size, query):
    grid, window_size = (5, 7), (3, 4)
    scores = rng.uniform(size=(2, 4, 12, 12))
    scores /= scores.sum(axis=-1, keepdims=True)
    matrix = np.zeros((2, 35, 35))
    for row in range(5):
        for column in range(7):
            window, place = where((row, column), grid, window_size, shift_size)
            for other_row in range(5):
                for other_column in range(7):
                    other_window, other_place = where((other_row, other_column), grid, window_size, shift_size)
                    if window == other_window:
                        weight = scores[:, window, place, other_place]
                        matrix[:, row * 7 + column, other_row * 7 + other_column] = weight
    layer = types.SimpleNamespace(window_size=window_size, shift_size=shift_size)
    maps = attention_map(layer, scores, grid, num_prefix_tokens=0, queries=slice(None) if query is None else query)
    expected = matrix.mean(axis=1) if query is None else matrix[:, query[0] * 7 + query[1]]
    np.testing.assert_allclose(maps, expected.reshape(2, 5, 7), atol=1e-6)


def where(patch, grid, window_size, shift_size):
    """The number of a patch's window, and its place there, as the paper tells it (Liu et al., 2021, figure 4)."""
    row, column = ((place - shift) % size for place, shift, size in zip(patch, shift_size, grid, strict=True))
    windows_across = -(-grid[1] // window_size[1])
    window = (row // window_size[0]) * windows_across + column // window_size[1]
    return window, (row % window_size[0]) * window_size[1] + column % window_size[1]


@pytest.mark.parametrize(
    ("grid", "num_keys", "expected"),
    [((4, 6), 24, (4, 6)), ((4, 6), 6, (2, 3)), ((5, 15), 14, (2, 7)), ((9, 15), 49, (7, 7))],
)
def test_keys_of_a_coarser_grid_keep_its_shape(rng, grid, num_keys, expected):
    scores = rng.uniform(size=(2, grid[0] * grid[1], num_keys))
    maps = attention_map(None, scores, grid, num_prefix_tokens=0, queries=(1, 2))
    np.testing.assert_array_equal(maps, scores[:, grid[1] + 2].reshape(2, *expected))


def test_a_coarse_map_is_shared_out_among_finer_places():
    coarse = np.array([[[0.6, 0.4]]])
    np.testing.assert_allclose(share_out(coarse, 2, 3), [[[0.15, 0.15, 0.2], [0.15, 0.15, 0.2]]])
    np.testing.assert_allclose(share_out(np.ones((1, 3, 2)), 7, 5).sum(), 6, rtol=1e-6)
