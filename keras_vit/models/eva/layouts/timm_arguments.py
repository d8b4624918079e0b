"""The arguments that timm builds an EVA model with: read as our config, and written from it."""

from typing import Any

from keras_vit.models.eva import key_maps
from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.timm_arguments import (
    IRRELEVANT,
    OUR_POOLINGS,
    POOLINGS,
    TimmArguments,
    read_mlp_ratio,
    write_mlp_ratio,
)

# Coordinates are changed in training only: a regulariser.
_IRRELEVANT = IRRELEVANT | {"rope_shift_coords", "rope_jitter_coords", "rope_rescale_coords", "head_init_scale"}
_NORMS = {
    None: ("layer_norm", 1e-6),
    "LayerNorm(eps=1e-05)": ("layer_norm", 1e-5),
    "RmsNorm(eps=1e-06)": ("rms_norm", 1e-6),
}
_ROTARY = {"cat": "patches", "dinov3": "centred", "mixed": "learned"}


def config_of(settings: dict[str, Any]) -> EVAConfig:
    """Returns the config of the model that timm builds with these arguments.

    Args:
        settings: Arguments of timm's `Eva`; classes by name, as in "RmsNorm(eps=1e-06)".

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    reader = TimmArguments(settings, "EVA", _IRRELEVANT)
    norm, epsilon = reader.choice("norm_layer", _NORMS, None)
    embed_dim = reader.number("embed_dim", 768)
    pooling = reader.choice("global_pool", OUR_POOLINGS, "avg")
    order = "post_norm" if reader.get("use_post_norm", False) else "pre_norm"
    use_qkv_bias = reader.get("qkv_bias", True)
    has_all_biases = reader.choice("attn_type", {"eva": False, "rope": True}, "eva")
    reader.require("dynamic_img_pad", (None, False))
    fields = {
        "image_size": reader.get("img_size", 224),
        "patch_size": reader.get("patch_size", 16),
        "in_channels": reader.get("in_chans", 3),
        "embed_dim": embed_dim,
        "depth": reader.get("depth", 12),
        "num_heads": reader.get("num_heads", 12),
        "num_key_value_heads": _key_value_heads(reader),
        "order": order,
        "positional_encoding": "learned" if reader.get("use_abs_pos_emb", True) else "none",
        "use_class_token": reader.get("class_token", True),
        "num_register_tokens": reader.get("num_reg_tokens", 0),
        "use_embedding_norm": reader.get("use_pre_transformer_norm", False),
        "use_qkv_bias": use_qkv_bias,
        "use_key_bias": bool(use_qkv_bias) and has_all_biases,
        "use_qk_norm": reader.get("qk_norm", False),
        "use_attention_sub_norm": reader.get("scale_attn_inner", False),
        "layer_scale_init": None if order == "post_norm" else reader.get("init_values", None),
        "use_mlp_scale": not reader.get("attn_only_layer_scale", False),
        "norm": norm,
        "norm_epsilon": epsilon,
        "num_classes": reader.get("num_classes", 1000),
        **_feed_forward(reader, embed_dim),
        **_rotary(reader),
        **_head(reader, pooling),
    }
    reader.get("init_values", None)  # blocks with norms after their branches ignore it
    for name in ("qkv_fused", "no_embed_class"):
        reader.get(name, None)  # the file shows it
    reader.finish()
    return EVAConfig.from_dict(fields)


def settings_of(config: EVAConfig) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with."""
    (rows, columns), (height, width) = config.grid_size, config.patch_size
    base = _base(config)
    pooling = POOLINGS[config.pooling]
    spelling = key_maps.usual_spelling(config)
    arguments: dict[str, Any] = {
        "img_size": [rows * height, columns * width],
        "patch_size": [height, width],
        "in_chans": config.in_channels,
        "global_pool": pooling,
        "embed_dim": config.embed_dim,
        "depth": config.depth,
        "num_heads": config.num_heads,
        "qkv_bias": config.use_qkv_bias,
        "qkv_fused": not spelling.has_split_qkv,
        "qk_norm": config.use_qk_norm,
        "attn_type": _attention_type(config),
        "mlp_ratio": write_mlp_ratio(config.embed_dim, config.mlp_ratio, config.mlp_dim),
        "swiglu_mlp": config.mlp == "swiglu",
        "swiglu_align_to": int(spelling.has_split_gate and not config.use_mlp_sub_norm),  # to 1: two tensors
        "scale_mlp": config.use_mlp_sub_norm,
        "scale_attn_inner": config.use_attention_sub_norm,
        "attn_only_layer_scale": config.layer_scale_init is not None and not config.use_mlp_scale,
        "class_token": config.use_class_token,
        "num_reg_tokens": config.num_register_tokens,
        "no_embed_class": True,
        "use_abs_pos_emb": config.positional_encoding != "none",
        "use_rot_pos_emb": config.rotary != "none",
        "rope_type": next((name for name, ours in _ROTARY.items() if ours == config.rotary), "cat"),
        "rope_grid_offset": config.rotary_offset,
        "rope_grid_indexing": "xy" if config.rotary_column_first else "ij",
        "rope_temperature": config.rotary_temperature,
        "rope_rotate_half": config.rotary == "centred",
        "use_post_norm": config.order == "post_norm",
        "use_pre_transformer_norm": config.use_embedding_norm,
        "use_post_transformer_norm": config.use_final_norm and not config.use_head_norm,
        "use_fc_norm": config.use_head_norm,
        "dynamic_img_size": config.image_size is None or config.position_grid is not None,
    }
    if config.layer_scale_init is not None:
        arguments["init_values"] = config.layer_scale_init
    if config.rotary_grid is not None:
        arguments["ref_feat_shape"] = list(config.rotary_grid)
    if config.norm == "rms_norm" or config.num_key_value_heads is not None:
        arguments["num_kv_heads"] = list(config.num_key_value_heads or (config.num_heads,) * config.depth)
    if config.pooling == "attention":
        arguments["attn_pool_num_heads"] = config.pooling_num_heads or config.num_heads
        ratio = config.pooling_mlp_ratio or config.mlp_ratio
        arguments["attn_pool_mlp_ratio"] = write_mlp_ratio(config.embed_dim, ratio, config.pooling_mlp_dim)
    return {
        # An unknown name stops timm with a clear error; a known one would give wrong numbers.
        "architecture": base or "keras_vit",
        "num_classes": config.num_classes,
        "num_features": config.embed_dim,
        "global_pool": pooling,
        "model_args": arguments,
    }


def _base(config: EVAConfig) -> str | None:
    """Returns timm's architecture to start from, or None where timm cannot build the model.

    timm's arguments that hold a Python class cannot be told in JSON, and it takes None as "not given": the
    architecture has the right norm, and nothing where we have nothing.
    """
    has_scale = config.layer_scale_init is not None
    own, is_after = config.num_key_value_heads, config.order == "post_norm"
    shares_keys = own is not None and any(each != config.num_heads for each in own)
    if shares_keys and _attention_type(config) == "eva":
        return None
    if is_after and (config.use_qk_norm or own is not None):
        return None
    match config.norm, config.norm_epsilon:
        case "layer_norm", 1e-6:
            return "eva_giant_patch14_224"
        case "layer_norm", 1e-5:
            is_scaled = config.rotary == "patches" and config.rotary_grid is None
            without_scale = None if is_scaled else "vit_pe_core_base_patch16_224"
            return "vit_base_patch16_dinov3_qkvb" if has_scale else without_scale
        case "rms_norm", 1e-6:
            return "vit_base_patch16_sapiens2" if has_scale else None
    return None


def _attention_type(config: EVAConfig) -> str:
    """Returns the kind of attention: "eva" has no biases of keys, "rope" can share keys."""
    shares = config.num_key_value_heads is not None and not config.use_qkv_bias
    return "rope" if config.use_key_bias or shares else "eva"


def _key_value_heads(reader: TimmArguments) -> Any:
    own = reader.get("num_kv_heads", None)
    return (own,) * reader.get("depth", 12) if isinstance(own, int) else own


def _feed_forward(reader: TimmArguments, embed_dim: Any) -> dict[str, Any]:
    ratio, align_to = reader.number("mlp_ratio", 4.0), reader.number("swiglu_align_to", 0)
    is_gated, has_norm = reader.get("swiglu_mlp", False), reader.get("scale_mlp", False)
    width = int(embed_dim * ratio)
    if is_gated and align_to:
        width += -width % align_to
    return {
        "mlp": "swiglu" if is_gated else "mlp",
        "mlp_ratio": read_mlp_ratio(embed_dim, ratio, width),
        "use_mlp_sub_norm": has_norm,
    }


def _rotary(reader: TimmArguments) -> dict[str, Any]:
    is_used, kind = reader.get("use_rot_pos_emb", False), reader.choice("rope_type", _ROTARY, "cat")
    has_halves = reader.get("rope_rotate_half", False)
    if is_used and has_halves != (kind == "centred"):
        raise ValueError(
            f"EVA needs rope_rotate_half=True with rope_type='dinov3', and only then; got {has_halves!r} for "
            f"rope_type={reader.get('rope_type', 'cat')!r}."
        )
    reader.require("rope_mrope_section", (None,))
    return {
        "rotary": kind if is_used else "none",
        "rotary_temperature": reader.number("rope_temperature", 10_000.0),
        "rotary_grid": reader.get("ref_feat_shape", None),
        "rotary_offset": reader.number("rope_grid_offset", 0.0),
        "rotary_column_first": reader.choice("rope_grid_indexing", {"ij": False, "xy": True}, "ij"),
    }


def _head(reader: TimmArguments, pooling: str) -> dict[str, Any]:
    use_head_norm, use_final_norm = reader.get("use_fc_norm", None), reader.get("use_post_transformer_norm", None)
    if use_head_norm is None:
        use_head_norm = pooling == "mean"
    if use_final_norm is None:
        use_final_norm = not use_head_norm
    if use_head_norm and use_final_norm:
        raise ValueError("EVA needs use_fc_norm or use_post_transformer_norm to be False; got True for both.")
    num_heads, ratio = reader.get("attn_pool_num_heads", None), reader.get("attn_pool_mlp_ratio", None)
    fields: dict[str, Any] = {
        "pooling": pooling,
        "use_final_norm": use_head_norm or use_final_norm,
        "use_head_norm": use_head_norm,
    }
    if pooling == "attention":
        fields |= {"pooling_num_heads": num_heads, "pooling_mlp_ratio": ratio}
    return fields
