"""Multiply-accumulates of EVA, counted by hand; tests/parity has PyTorch count those of timm's models."""

import pytest

from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.eva.macs import count_macs

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
KERNELS = 8 * 24 + 8 * 8 + 3 * 8 * 16  # of one token: query, key and value; projection; gate, branch, contraction
ATTENTION = 2 * 5 * 5 * 8


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, PATCHES + 5 * KERNELS + ATTENTION + 8 * 3),
        ({"mlp": "mlp"}, PATCHES + 5 * (KERNELS - 8 * 16) + ATTENTION + 8 * 3),
        ({"depth": 2, "num_key_value_heads": (2, 1)}, PATCHES + 5 * (2 * KERNELS - 8 * 8) + 2 * ATTENTION + 8 * 3),
        ({"num_register_tokens": 2}, PATCHES + 7 * KERNELS + 2 * 7 * 7 * 8 + 8 * 3),
        ({"pooling": "none"}, PATCHES + 5 * KERNELS + ATTENTION + 5 * 8 * 3),
        ({"num_classes": 0}, PATCHES + 5 * KERNELS + ATTENTION),
        (
            {"pooling": "attention", "pooling_mlp_ratio": 3.0},
            # Keys and values of five tokens; query; query with keys, weights with values; projection; feed-forward.
            PATCHES + 5 * KERNELS + ATTENTION + 5 * 8 * 16 + 8 * 8 + 2 * 5 * 8 + 8 * 8 + 2 * 8 * 24 + 8 * 3,
        ),
    ],
)
def test_every_part_is_counted(fields, expected):
    assert count_macs(EVAConfig(**{**BASE, **fields}), (8, 8)) == expected
