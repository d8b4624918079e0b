"""Tiny EVA configs that differ in one thing each."""

from typing import Any

TINY: dict[str, Any] = {
    "image_size": (8, 12),
    "patch_size": (4, 4),
    "embed_dim": 16,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "rotary_grid": (4, 4),
    "num_classes": 3,
}

_DINOV3: dict[str, Any] = {
    "mlp": "mlp",
    "positional_encoding": "none",
    "rotary": "centred",
    "rotary_temperature": 100.0,
    "num_register_tokens": 2,
    "use_mlp_sub_norm": False,
    "layer_scale_init": 0.1,
    "norm_epsilon": 1e-5,
    "pooling": "token",
    "use_head_norm": False,
}
_ROPE: dict[str, Any] = {
    "mlp": "mlp",
    "rotary_column_first": True,
    "rotary_temperature": 10.0,
    "use_key_bias": True,
    "use_mlp_sub_norm": False,
}

ALL: dict[str, dict[str, Any]] = {
    "eva02": {},
    "eva02_clip": {"use_attention_sub_norm": True, "pooling": "token", "use_head_norm": False},
    "eva": {"rotary": "none", "mlp": "mlp", "use_mlp_sub_norm": False},
    "post_norm": {"rotary": "none", "order": "post_norm", "use_mlp_sub_norm": False},
    "dinov3": {**_DINOV3},
    "dinov3_plus": {**_DINOV3, "mlp": "swiglu", "use_qkv_bias": False, "mlp_ratio": 2.4},
    "rope": {**_ROPE, "rotary_grid": None, "layer_scale_init": 0.1},
    "rope_mixed": {**_ROPE, "rotary": "learned", "positional_encoding": "none"},
    "rope_mixed_rows_first": {**_ROPE, "rotary": "learned", "rotary_column_first": False},
    "registers_alone": {"use_class_token": False, "num_register_tokens": 1, "positional_encoding": "none"},
    "pe_core": {
        **_ROPE,
        "rotary_offset": 1.0,
        "use_embedding_norm": True,
        "pooling": "attention",
        "pooling_num_heads": 4,
        "pooling_mlp_ratio": 1.5,
        "use_head_norm": False,
    },
    "pe_lang": {**_ROPE, "use_final_norm": False, "use_head_norm": False, "use_embedding_norm": True},
    "sapiens2": {
        **_DINOV3,
        "mlp": "swiglu",
        "num_heads": 4,
        "num_key_value_heads": (4, 2),
        "use_key_bias": True,
        "use_qk_norm": True,
        "use_mlp_scale": False,
        "norm": "rms_norm",
        "norm_epsilon": 1e-6,
    },
    "shared_keys_without_bias": {"num_heads": 4, "num_key_value_heads": (1, 2), "use_key_bias": False},
    "tokens": {"pooling": "none"},
    "max": {"pooling": "max", "num_register_tokens": 1},
    "one_channel": {"in_channels": 1},
    "without_head": {"num_classes": 0},
    "rectangular_patches": {"image_size": (8, 6), "patch_size": (4, 2)},
}
