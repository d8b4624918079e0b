"""Tiny hybrid configs that differ in one thing each."""

from typing import Any

TINY: dict[str, Any] = {
    "image_size": (16, 24),
    "patch_size": (8, 8),  # 2 x 2 places of the root
    "stem_depths": (),
    "embed_dim": 8,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "num_classes": 3,
}

ALL: dict[str, dict[str, Any]] = {
    "root": {},
    "one_stage": {"stem_depths": (1,), "stem_dim": 32},
    "two_stages": {"stem_depths": (2, 1), "stem_dim": 32},
    "convolutions": {"stem": "conv", "stem_dim": 6, "patch_size": (16, 8), "image_size": (16, 24)},
    "mean": {"use_class_token": False, "pooling": "mean", "use_head_norm": True},
    "pad": {"image_size": (17, 24), "pad": True},
    "embedding_norm": {"use_embedding_norm": True},
    "without_head": {"num_classes": 0},
}
