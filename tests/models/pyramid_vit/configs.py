"""Tiny configs of pyramid transformers that differ in one thing each."""

from typing import Any

TINY: dict[str, Any] = {
    "image_size": (16, 24),
    "embed_dims": (8, 12),
    "depths": (2, 1),
    "num_heads": (1, 2),
    "mlp_ratios": (2.0, 1.5),
    "reduction_sizes": (2, 1),
    "num_classes": 3,
}

_MIT_EPSILON = {"norm_epsilon": 1e-5, "embedding_norm_epsilon": 1e-5}

ALL: dict[str, dict[str, Any]] = {
    "plain": {},
    "pooled_keys": {"use_pooling": True},
    "without_bias": {"use_qkv_bias": False},
    "mit": _MIT_EPSILON,
    "activation": {"activation": "silu", "norm_epsilon": 1e-3, "embedding_norm_epsilon": 1e-2},
    "one_stage": {"embed_dims": (8,), "depths": (1,), "num_heads": (2,), "mlp_ratios": (2.0,), "reduction_sizes": (3,)},
    "odd_size": {"image_size": (19, 13)},
    "any_size": {"image_size": None},
    "one_channel": {"in_channels": 1},
    "max": {"pooling": "max"},
    "patches": {"pooling": "none"},
    "without_head": {"num_classes": 0},
}
