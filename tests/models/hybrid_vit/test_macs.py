"""Multiply-accumulates of hybrids: against PyTorch's count of timm's models, and counted by hand."""

import pytest

from keras_vit.models import catalogue
from keras_vit.models.hybrid_vit import presets
from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.hybrid_vit.layouts.timm_arguments import config_of
from keras_vit.models.hybrid_vit.macs import count_macs, count_weights
from tests.models.hybrid_vit.configs import ALL, TINY

# torch.utils.flop_counter over timm 1.0.31's models with 1000 classes, halved: 10^9 multiply-accumulates.
COUNTED = {
    "vit_base_mci_224": 17.708335104,
    "vit_base_r50_s16_224": 21.535358976,
    "vit_base_r50_s16_384": 67.155787776,
    "vit_large_r50_s32_384": 57.136144384,
    "vit_small_r26_s32_224": 3.463851008,
    "vit_tiny_r_s16_p8_224": 0.433681920,
}


@pytest.mark.parametrize("name", COUNTED)
def test_published_models_cost_what_pytorch_counts(name):
    config = config_of({**presets.TABLES.timm_settings(name), "num_classes": 1000})
    assert count_macs(config, config.image_size) == round(COUNTED[name] * 1e9)


def test_each_kernel_of_the_stem_is_counted_at_each_of_its_places():
    config = HybridViTConfig(**{**TINY, **ALL["one_stage"], "image_size": (16, 16), "in_channels": 1})
    root = 7 * 7 * 32 * 8 * 8
    stage = 16 * (32 * 128 + 32 * 32 + 9 * 32 * 32 + 32 * 128)  # shortcut; three convolutions
    vit = 4 * (2 * 2 * 128 * 8) + 2 * (5 * (8 * 32 + 2 * 8 * 16) + 2 * 5 * 5 * 8) + 8 * 3
    assert count_macs(config, (16, 16)) == root + stage + vit


def test_the_rough_count_of_weights_is_near_the_published_one():
    entry = catalogue.find("r26_s32")
    config = config_of(entry.timm_settings)
    assert count_weights(config) == pytest.approx(entry.parameters, rel=0.05)
