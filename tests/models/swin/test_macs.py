"""Multiply-accumulates of Swin Transformers: against published numbers, and counted by hand."""

import pytest

from keras_vit import SwinConfig, SwinV2Config
from keras_vit.models.shifted_windows.costs import count_macs

BASE = {"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)}


# torchvision 0.28, `Swin_..._Weights.IMAGENET1K_V1.meta["_ops"]`: 10^9 multiply-accumulates.
@pytest.mark.parametrize(("fields", "billions"), [({}, 4.491), ({"depths": (2, 2, 18, 2)}, 8.741), (BASE, 15.431)])
def test_published_sizes_cost_what_torchvision_says(fields, billions):
    assert round(count_macs(SwinConfig(**fields), (224, 224)) / 1e9, 3) == billions


# Liu et al., 2021, arXiv 2103.14030, table 1; the authors' list of models on GitHub, for version 2.
@pytest.mark.parametrize(
    ("config", "billions"),
    [
        (SwinConfig(**BASE, image_size=384, window_size=12), 47.0),
        (SwinV2Config(window_size=16), 6.6),
    ],
    ids=["b_384", "v2_t"],
)
def test_published_sizes_cost_what_their_authors_say(config, billions):
    assert round(count_macs(config, config.image_size) / 1e9, 1) == pytest.approx(billions, abs=0.11)


def test_every_part_is_counted():
    config = SwinConfig(
        image_size=(8, 12), patch_size=2, embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=3, num_classes=5
    )
    first = 6 * 6 * (4 * 8 * 8 + 2 * 9 * 8) + 4 * 6 * 2 * 8 * 32  # 4 x 6 patches, filled up to 6 x 6
    second = 2 * 3 * (4 * 16 * 16 + 2 * 6 * 16 + 2 * 16 * 64)  # 2 x 3 patches in one window of 2 x 3
    assert count_macs(config, (8, 12)) == 24 * 4 * 3 * 8 + first + 6 * 32 * 16 + second + 16 * 5
