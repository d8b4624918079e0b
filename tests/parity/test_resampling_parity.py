"""Resampled tables of positions and patch kernels against timm and PyTorch: one by one, and within a loaded model."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_vit import ViT
from keras_vit.models.adapting import adapt_channels
from keras_vit.resampling import bicubic_matrix, resample_grid, resample_patch_kernel
from tests.models.vit.configs import TINY

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


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((16, 16), (8, 8)), ((16, 16), (32, 32)), ((14, 14), (16, 16)), ((8, 8), (7, 9)), ((4, 6), (6, 4))],
)
def test_patch_kernels_equal_timm(rng, size, wanted):
    from timm.layers import resample_patch_embed

    kernel = rng.normal(size=(*size, 3, 5)).astype("float32")
    expected = resample_patch_embed(to_timm(kernel), list(wanted), interpolation="bicubic", antialias=True)
    ours = to_timm(resample_patch_kernel(kernel, *wanted))
    np.testing.assert_allclose(ours, expected, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("in_channels", [1, 2, 3, 4, 6])
def test_adapted_channels_equal_timm(rng, in_channels):
    from timm.models._manipulate import adapt_input_conv

    kernel = rng.normal(size=(4, 3, 3, 5)).astype("float32")
    expected = adapt_input_conv(in_channels, to_timm(kernel))
    np.testing.assert_allclose(to_timm(adapt_channels(kernel, in_channels)), expected, atol=1e-6)


# Names of ours to what timm calls the same. Heads of another number of classes start at random in both, so that only
# a model without one can be compared.
CHANGES = {
    "larger_image": ({"image_size": (16, 20)}, {"img_size": (16, 20)}),
    "smaller_image": ({"image_size": (8, 4)}, {"img_size": (8, 4)}),
    "larger_patches": ({"image_size": (16, 24), "patch_size": (8, 8)}, {"img_size": (16, 24), "patch_size": 8}),
    "patches_on_another_grid": ({"patch_size": (2, 2)}, {"patch_size": 2}),
    "grey": ({"in_channels": 1}, {"in_chans": 1}),
    "four_channels": ({"in_channels": 4}, {"in_chans": 4}),
    "without_head": ({"num_classes": 0}, {"num_classes": 0}),
    "mean": ({"pooling": "mean"}, {"global_pool": "avg", "fc_norm": False}),
    "max": ({"pooling": "max"}, {"global_pool": "max"}),
    "all": (
        {"image_size": (12, 20), "patch_size": (2, 2), "in_channels": 6, "num_classes": 0, "pooling": "max"},
        {"img_size": (12, 20), "patch_size": 2, "in_chans": 6, "num_classes": 0, "global_pool": "max"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_model_gives_the_logits_of_timm(randomise, tmp_path, name):
    changes, changes_of_timm = CHANGES[name]
    stored = ViT(**TINY, num_register_tokens=1)
    randomise(stored)
    stored.save_to_preset(tmp_path / "stored")

    ours = ViT.from_preset(tmp_path / "stored", **changes)

    assert_equal_logits(ours, read_by_timm(tmp_path / "stored", **changes_of_timm))
    ours.save_to_preset(tmp_path / "changed")
    assert_equal_logits(ours, read_by_timm(tmp_path / "changed"))


def test_a_new_head_gives_the_same_logits_in_timm(randomise, tmp_path):
    stored = ViT(**TINY)
    randomise(stored)
    stored.save_to_preset(tmp_path / "stored")
    ours = ViT.from_preset(tmp_path / "stored", num_classes=7, image_size=(16, 20), in_channels=1)
    ours.save_to_preset(tmp_path / "changed")
    assert_equal_logits(ours, read_by_timm(tmp_path / "changed"))


def to_timm(kernel):
    """(height, width, channels, embed_dim) to (embed_dim, channels, height, width)."""
    return torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())


def read_by_timm(folder, **changes):
    import timm

    return timm.create_model(f"local-dir:{folder}", pretrained=True, **changes).eval()


def assert_equal_logits(ours, theirs):
    config = ours.config
    images = np.random.default_rng(1).normal(size=(2, *config.image_size, config.in_channels)).astype("float32")
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    logits = keras.ops.convert_to_numpy(ours(images))
    assert logits.shape == expected.shape
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
