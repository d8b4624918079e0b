"""ViTs whose attention stays within windows in most layers: which ones, what they cost, what they refuse."""

import numpy as np
import pytest

from keras_vit import ViT, ViTConfig
from keras_vit.models.vit.macs import count_macs
from tests.layers.checks import to_numpy
from tests.models.vit.configs import TINY

SIZES = {"image_size": 1024, "window_size": 14}


# Source: Detectron2, projects/ViTDet/configs, `window_block_indices`.
@pytest.mark.parametrize(
    ("depth", "global_layers"), [(12, [2, 5, 8, 11]), (24, [5, 11, 17, 23]), (32, [7, 15, 23, 31])]
)
def test_global_layers_are_those_of_vitdet(depth, global_layers):
    config = ViTConfig(**SIZES, depth=depth)
    assert [index for index in range(depth) if index not in config.windowed_layers] == global_layers


def test_without_windows_all_layers_are_global():
    assert ViTConfig().windowed_layers == ()
    assert ViTConfig(**SIZES, num_global_layers=0).windowed_layers == tuple(range(12))


def test_windows_change_no_weights_and_one_as_large_as_the_grid_changes_nothing(randomise, rng):
    fields = {**TINY, "use_class_token": False, "pooling": "mean"}
    plain, windowed, whole = (
        ViT(**fields),
        ViT(**fields, window_size=(2, 1), num_global_layers=1),
        ViT(**fields, window_size=(2, 3), num_global_layers=1),
    )
    randomise(plain)
    for model in (windowed, whole):
        assert model.weights_by_path().keys() == plain.weights_by_path().keys()
        model.set_weights(plain.get_weights())
    images = rng.normal(size=(2, 8, 12, 3)).astype("float32")
    np.testing.assert_allclose(to_numpy(whole(images)), to_numpy(plain(images)), atol=1e-5)
    assert not np.allclose(to_numpy(windowed(images)), to_numpy(plain(images)), atol=1e-2)


def test_a_preset_gets_windows_for_another_image_size(tmp_path):
    folder = ViT(**{**TINY, "depth": 5}).save_to_preset(tmp_path / "plain")
    model = ViT.from_preset(folder, image_size=(16, 24), window_size=2)
    windows = [model.get_layer(f"encoder_{index}").window_size for index in range(5)]
    assert windows == [(2, 2), None, None, None, None]
    again = ViT.from_preset(model.save_to_preset(tmp_path / "windows"))
    assert again.config == model.config


def test_padded_windows_are_counted():
    # 64 x 64 patches are 5 x 5 windows of 14 x 14, 70 x 70 places; 8 of 12 layers have them.
    config = ViTConfig(**SIZES, num_classes=0)
    patches, filled, dim = 64 * 64, 70 * 70, 768
    feed_forward = 12 * (patches + 1) * 8 * dim**2
    everywhere = 4 * ((patches + 1) * 4 * dim**2 + 2 * (patches + 1) ** 2 * dim)
    in_windows = 8 * (filled * 4 * dim**2 + 2 * filled * 196 * dim)
    assert count_macs(config, (1024, 1024)) == patches * 16 * 16 * 3 * dim + feed_forward + everywhere + in_windows


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_size": None, "window_size": 2}, "window_size needs an image_size"),
        ({"window_size": 4}, r"fit into the grid of patches \(2, 3\); got \(4, 4\)"),
        ({"window_size": 2, "num_global_layers": 3}, "at most depth=2; got 3"),
        ({"window_size": 2, "num_global_layers": 1, "patch_dropout_rate": 0.5}, "patch_dropout_rate needs to be 0"),
        ({"window_size": 0}, "from 1 to 4096"),
    ],
)
def test_windows_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ViT(**{**TINY, **fields})


def test_windows_do_not_merge_tokens():
    with pytest.raises(ValueError, match="attention to all patches"):
        ViT(**TINY, window_size=2, num_global_layers=1).with_token_merging(1)
