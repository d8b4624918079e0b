"""Tiny BEiT configs that differ in one thing each: compared with NumPy here, and with timm in tests/parity."""

from typing import Any

TINY: dict[str, Any] = {
    "image_size": (8, 12),
    "patch_size": (4, 4),
    "embed_dim": 8,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "num_classes": 3,
}

ALL: dict[str, dict[str, Any]] = {
    "plain": {},
    "token": {"pooling": "token", "use_head_norm": False},
    "mean_of_normalised_tokens": {"use_head_norm": False},
    "tokens": {"pooling": "none", "use_head_norm": False},
    "max": {"pooling": "max"},
    "without_scale": {"layer_scale_init": None},
    "positions": {"use_position_bias": False, "positional_encoding": "learned"},
    "positions_and_biases": {"positional_encoding": "learned", "mlp_ratio": 2.4},
    "without_positions": {"use_position_bias": False},
    "rectangular_patches": {"image_size": (8, 6), "patch_size": (4, 2)},
    "one_channel": {"in_channels": 1},
    "epsilon": {"norm_epsilon": 1e-2},
    "without_head": {"num_classes": 0},
}
