"""Resampled position tables against timm and PyTorch."""

import numpy as np
import pytest
from PIL import Image

from keras_vit.resampling import bicubic_matrix, resample_grid

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

# timm and PIL weigh in float32; the tables here are fifty times as large as real ones.
GRIDS = [((14, 14), (12, 16)), ((14, 14), (16, 12)), ((14, 14), (24, 24)), ((24, 24), (14, 14)), ((7, 9), (20, 3))]


@pytest.mark.parametrize(("grid", "wanted"), GRIDS)
def test_position_tables_equal_timm(rng, grid, wanted):
    from timm.layers import resample_abs_pos_embed

    table = rng.normal(size=(*grid, 32)).astype("float32")
    prefixed = torch.cat([torch.zeros(1, 1, 32), torch.from_numpy(table).reshape(1, -1, 32)], dim=1)
    expected = resample_abs_pos_embed(prefixed, new_size=list(wanted), old_size=list(grid), num_prefix_tokens=1)
    ours = resample_grid(table, *wanted).reshape(1, -1, 32)
    np.testing.assert_allclose(ours, expected[:, 1:].numpy(), atol=1e-5)


def test_wide_and_tall_grids_are_not_mixed_up(rng):
    from timm.layers import resample_abs_pos_embed

    table = rng.normal(size=(14, 14, 8)).astype("float32")
    tall = resample_abs_pos_embed(
        torch.from_numpy(table).reshape(1, -1, 8), new_size=[16, 12], old_size=[14, 14], num_prefix_tokens=0
    ).numpy()
    np.testing.assert_allclose(resample_grid(table, 16, 12).reshape(1, -1, 8), tall, atol=1e-5)
    assert not np.allclose(resample_grid(table, 12, 16).reshape(1, -1, 8), tall, atol=0.1)


@pytest.mark.parametrize(("size_in", "size_out"), [(14, 24), (24, 14), (8, 9), (64, 5), (3, 1), (1, 3)])
def test_matrix_equals_pytorch_on_unit_vectors(size_in, size_out):
    # The image's rows are unit vectors, so that resizing along the columns returns the matrix itself.
    units = torch.eye(size_in, dtype=torch.float64)[None, None]
    expected = torch.nn.functional.interpolate(units, size=(size_in, size_out), mode="bicubic", antialias=True)
    np.testing.assert_allclose(bicubic_matrix(size_in, size_out).T, expected[0, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize(("grid", "wanted"), GRIDS)
def test_grids_equal_pil(rng, grid, wanted):
    plane = rng.normal(size=grid).astype("float32")
    expected = np.asarray(Image.fromarray(plane).resize(wanted[::-1], Image.Resampling.BICUBIC))
    np.testing.assert_allclose(resample_grid(plane[..., None], *wanted)[..., 0], expected, atol=1e-5)
