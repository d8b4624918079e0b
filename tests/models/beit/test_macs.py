"""Multiply-accumulates of a BEiT: against published numbers, and counted by hand."""

import pytest

from keras_vit import BEiTConfig
from keras_vit.models.beit.macs import count_macs

LARGE = {"embed_dim": 1024, "depth": 24, "num_heads": 16}
# timm's results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv, column infer_gmacs.
TIMM = {
    "beit_base_patch16_224": ({}, 224, 17.58),
    "beit_base_patch16_384": ({}, 384, 55.54),
    "beit_large_patch16_224": (LARGE, 224, 61.60),
    "beit_large_patch16_384": (LARGE, 384, 191.21),
    "beit_large_patch16_512": (LARGE, 512, 362.24),
}


@pytest.mark.parametrize("name", TIMM)
def test_published_sizes_cost_what_timm_says(name):
    fields, size, billions = TIMM[name]
    assert count_macs(BEiTConfig(**fields), (size, size)) / 1e9 == pytest.approx(billions, rel=2e-3)


@pytest.mark.parametrize(("pooling", "vectors"), [("mean", 1), ("token", 1), ("none", 5)])
def test_every_part_is_counted(pooling, vectors):
    config = BEiTConfig(
        image_size=8, in_channels=1, patch_size=4, embed_dim=8, depth=3, num_heads=2, mlp_ratio=2, num_classes=3,
        pooling=pooling,
    )  # fmt: skip
    kernels = 8 * 24 + 8 * 8 + 2 * 8 * 16
    expected = 4 * 16 * 8 + 3 * (5 * kernels + 2 * 5 * 5 * 8) + vectors * 8 * 3
    assert count_macs(config, (8, 8)) == expected
