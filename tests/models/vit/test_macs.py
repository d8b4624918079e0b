"""Multiply-accumulates of a ViT: against numbers of torchvision, and counted by hand."""

import pytest

from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.macs import count_macs

# torchvision 0.28, `ViT_..._Weights.IMAGENET1K_....meta["_ops"]`: 10^9 multiply-accumulates.
TORCHVISION = {
    "vit_b_16": ({"patch_size": 16}, 17.564),
    "vit_b_32": ({"patch_size": 32}, 4.409),
    "vit_l_16": ({"patch_size": 16, "embed_dim": 1024, "depth": 24, "num_heads": 16}, 61.555),
    "vit_l_32": ({"patch_size": 32, "embed_dim": 1024, "depth": 24, "num_heads": 16}, 15.378),
    "vit_h_14": ({"patch_size": 14, "embed_dim": 1280, "depth": 32, "num_heads": 16}, 167.295),
}
BASE = {
    "image_size": 8,
    "in_channels": 1,
    "patch_size": 4,
    "embed_dim": 8,
    "depth": 1,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "num_classes": 3,
}
PATCHES = 4 * (16 * 8)  # each 16 pixels to 8 channels
KERNELS = 8 * 24 + 8 * 8 + 2 * 8 * 16  # of one token: query, key and value; projection; feed-forward part


@pytest.mark.parametrize("name", TORCHVISION)
def test_published_sizes_cost_what_torchvision_says(name):
    fields, billions = TORCHVISION[name]
    assert round(count_macs(ViTConfig(**fields), (224, 224)) / 1e9, 3) == billions


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, PATCHES + 5 * KERNELS + 2 * 5 * 5 * 8 + 8 * 3),
        ({"depth": 3}, PATCHES + 3 * (5 * KERNELS + 2 * 5 * 5 * 8) + 8 * 3),
        ({"mlp": "swiglu"}, PATCHES + 5 * (KERNELS + 8 * 16) + 2 * 5 * 5 * 8 + 8 * 3),
        ({"use_distillation_token": True}, PATCHES + 6 * KERNELS + 2 * 6 * 6 * 8 + 2 * 8 * 3),
        ({"num_register_tokens": 2}, PATCHES + 7 * KERNELS + 2 * 7 * 7 * 8 + 8 * 3),
        ({"num_classes": 0}, PATCHES + 5 * KERNELS + 2 * 5 * 5 * 8),
        ({"pooling": "none"}, PATCHES + 5 * KERNELS + 2 * 5 * 5 * 8 + 5 * 8 * 3),
        ({"pooling": "token_mean"}, PATCHES + 5 * KERNELS + 2 * 5 * 5 * 8 + 16 * 3),
        ({"pre_logits_dim": 10}, PATCHES + 5 * KERNELS + 2 * 5 * 5 * 8 + 8 * 10 + 10 * 3),
        (
            {"use_class_token": False, "pooling": "attention"},
            # Keys and values of four tokens; query; query with keys, weights with values; projection; feed-forward.
            PATCHES + 4 * KERNELS + 2 * 4 * 4 * 8 + 4 * 8 * 16 + 8 * 8 + 2 * 4 * 8 + 8 * 8 + 2 * 8 * 16 + 8 * 3,
        ),
    ],
)
def test_every_part_is_counted(fields, expected):
    assert count_macs(ViTConfig(**{**BASE, **fields}), (8, 8)) == expected


def test_images_that_patches_do_not_divide_are_filled_up_or_cut():
    patch = 16 * 8
    padded = ViTConfig(**{**BASE, "depth": 1, "image_size": None, "pad": True, "num_classes": 0})
    cut = ViTConfig(**{**BASE, "depth": 1, "image_size": None, "drop_remainder": True, "num_classes": 0})
    assert count_macs(padded, (5, 4)) == 2 * patch + 3 * KERNELS + 2 * 3 * 3 * 8
    assert count_macs(cut, (5, 4)) == 1 * patch + 2 * KERNELS + 2 * 2 * 2 * 8
