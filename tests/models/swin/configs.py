"""Tiny Swin configs that differ in one thing each."""

from typing import Any

TINY: dict[str, Any] = {
    "image_size": (16, 24),
    "patch_size": (2, 2),
    "embed_dim": 8,
    "depths": (2, 2),
    "num_heads": (1, 2),
    "window_size": 4,  # the second stage has 4 x 6 patches: windows are shifted along one axis, and padded
    "mlp_ratio": 2.0,
    "num_classes": 3,
}

ALL: dict[str, dict[str, Any]] = {
    "plain": {},
    "odd_grid": {"image_size": (10, 14)},
    "smaller_than_windows": {"image_size": (12, 24), "window_size": 7},
    "windows_of_stages": {"window_size": ((4, 3), (2, 3))},
    "three_stages": {"depths": (1, 2, 1), "num_heads": (1, 2, 4)},
    "without_bias": {"use_qkv_bias": False},
    "rectangular_patches": {"patch_size": (4, 2)},
    "one_channel": {"in_channels": 1},
    "max": {"pooling": "max"},
    "patches": {"pooling": "none"},
    "without_head": {"num_classes": 0},
    "any_size": {"image_size": None},
}
