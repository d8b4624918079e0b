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

_SWIGLU_RMS = {"mlp": "swiglu", "norm": "rms_norm", "norm_epsilon": 1e-5}

# What timm's ViT can be told to do as well.
SHARED: dict[str, dict[str, Any]] = {
    "plain": {},
    "mean": {"use_class_token": False, "pooling": "mean", "use_head_norm": True},
    "registers": {"num_register_tokens": 3},
    "registers_without_class": {"use_class_token": False, "num_register_tokens": 2, "pooling": "mean"},
    "distillation": {"use_distillation_token": True},
    "query_key_norm": {"use_qk_norm": True, "layer_scale_init": 0.1},
    "sub_norm": {"use_sub_norm": True},
    "without_bias": {"use_qkv_bias": False, "mlp_ratio": 2.4},
    "without_projection_bias": {"use_projection_bias": False},
    "post_norm": {"order": "post_norm", "use_qkv_bias": False},
    "parallel": {"order": "parallel", "mlp_ratio": 2.4, "layer_scale_init": 0.1},
    "parallel_with_norms": {"order": "parallel", "use_qkv_bias": False, "use_qk_norm": True, "layer_scale_init": 0.1},
    "swiglu": {"mlp": "swiglu", "use_sub_norm": True},
    "rms_norm": {**_SWIGLU_RMS, "use_patch_norm": True, "use_qkv_bias": False, "use_projection_bias": False},
    "rms_norms": {**_SWIGLU_RMS, "use_qk_norm": True, "use_sub_norm": True, "use_embedding_norm": True},
    "attention_pooling": {"use_class_token": False, "pooling": "attention", "activation": "gelu_tanh"},
    "max": {"num_register_tokens": 1, "pooling": "max"},
    "tokens": {"pooling": "none"},
    "mean_with_prefix": {"num_register_tokens": 1, "pooling": "mean", "pool_prefix_tokens": True},
    "attention_with_prefix": {"pooling": "attention", "pool_prefix_tokens": True},
    "embedding_norm": {"use_embedding_norm": True, "norm_epsilon": 1e-5},
    "without_final_norm": {"use_final_norm": False},
    "rectangular_patches": {"image_size": (8, 6), "patch_size": (4, 2)},
    "one_channel": {"in_channels": 1},
    "four_channels": {"in_channels": 4},
    "epsilon": {"norm_epsilon": 1e-5, "activation": "quick_gelu"},
    "pad": {"image_size": (7, 10), "pad": True},
    "drop_remainder": {"image_size": (11, 14), "drop_remainder": True},
    "sines": {"positional_encoding": "sincos"},
    "without_positions": {"positional_encoding": "none", "activation": "silu"},
    "without_head": {"num_classes": 0},
    "distillation_without_head": {"use_distillation_token": True, "num_classes": 0},
}

OURS_ONLY: dict[str, dict[str, Any]] = {
    "token_mean": {"pooling": "token_mean", "num_register_tokens": 2},
    "pre_logits": {"pre_logits_dim": 5},
    "other_epsilon": {"norm_epsilon": 1e-3},
    "patch_norm": {"use_patch_norm": True},
    "rms_norm_without_gate": {"norm": "rms_norm", "norm_epsilon": 1e-5},
    "post_norm_with_gate": {"order": "post_norm", "mlp": "swiglu"},
    "distillation_with_registers": {"use_distillation_token": True, "num_register_tokens": 2},
    "distillation_with_head_norm": {"use_distillation_token": True, "use_head_norm": True},
    "attention_pooling_with_gate": {"pooling": "attention", "mlp": "swiglu"},
    "parallel_without_scale": {"order": "parallel"},
    "parallel_with_gate": {"order": "parallel", "mlp": "swiglu"},
    "parallel_with_sub_norm": {"order": "parallel", "use_sub_norm": True},
    "windows": {"window_size": (2, 2), "num_global_layers": 1},
    "windows_without_prefix": {
        "window_size": (1, 3),
        "num_global_layers": 0,
        "use_class_token": False,
        "pooling": "mean",
    },
    "parallel_without_projection_bias": {"order": "parallel", "use_projection_bias": False},
}

ALL = {**SHARED, **OURS_ONLY}
