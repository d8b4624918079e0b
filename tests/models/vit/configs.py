"""Tiny ViT configs that differ in one thing each: compared with NumPy here, and with timm in tests/parity."""

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

# What timm's ViT can be told to do as well.
SHARED: dict[str, dict[str, Any]] = {
    "plain": {},
    "mean": {"use_class_token": False, "pooling": "mean", "use_head_norm": True},
    "registers": {"num_register_tokens": 3},
    "registers_without_class": {"use_class_token": False, "num_register_tokens": 2, "pooling": "mean"},
    "query_key_norm": {"use_qk_norm": True, "layer_scale_init": 0.1},
    "without_bias": {"use_qkv_bias": False, "mlp_ratio": 2.4},
    "attention_pooling": {"use_class_token": False, "pooling": "attention", "activation": "gelu_tanh"},
    "max": {"num_register_tokens": 1, "pooling": "max"},
    "tokens": {"pooling": "none"},
    "rectangular_patches": {"image_size": (8, 6), "patch_size": (4, 2)},
    "one_channel": {"in_channels": 1},
    "four_channels": {"in_channels": 4},
    "epsilon": {"norm_epsilon": 1e-5, "activation": "quick_gelu"},
    "pad": {"image_size": (7, 10), "pad": True},
    "sines": {"positional_encoding": "sincos"},
    "without_positions": {"positional_encoding": "none", "activation": "silu"},
    "without_head": {"num_classes": 0},
}

OURS_ONLY: dict[str, dict[str, Any]] = {
    "swiglu": {"mlp": "swiglu"},
    "pre_logits": {"pre_logits_dim": 5},
    "other_epsilon": {"norm_epsilon": 1e-3},
}

ALL = {**SHARED, **OURS_ONLY}
