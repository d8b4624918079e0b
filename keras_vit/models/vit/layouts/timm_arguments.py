"""The arguments that timm builds a ViT with: read as our config, and written from it."""

from typing import Any

from keras_vit.models.timm_arguments import OUR_POOLINGS, POOLINGS, TimmArguments, read_mlp_ratio, write_mlp_ratio
from keras_vit.models.vit import key_maps
from keras_vit.models.vit.config import ViTConfig

# timm's arguments that hold a Python class or a number inside one cannot be told in JSON. These named architectures
# have them, and every other argument of theirs can be overridden: (order, mlp, norm, epsilon) -> architecture.
_BASES = {
    ("pre_norm", "mlp", "layer_norm", 1e-6): "vit_base_patch16_224",
    ("pre_norm", "mlp", "layer_norm", 1e-5): "vit_base_patch16_clip_224",
    ("pre_norm", "swiglu", "layer_norm", 1e-6): "vit_giant_patch14_dinov2",
    ("pre_norm", "swiglu", "rms_norm", 1e-5): "aimv2_large_patch14_224",
    ("post_norm", "mlp", "layer_norm", 1e-6): "vit_base_patch16_rpn_224",
    ("parallel", "mlp", "layer_norm", 1e-6): "vit_pwee_patch16_reg1_gap_256",
}
_DISTILLED_BASE = "deit_base_distilled_patch16_224"

_BLOCKS = {"Block": "pre_norm", "ResPostBlock": "post_norm", "ParallelScalingBlock": "parallel"}
_NORMS = {
    None: ("layer_norm", 1e-6),
    "LayerNorm(eps=1e-05)": ("layer_norm", 1e-5),
    "RmsNorm(eps=1e-05)": ("rms_norm", 1e-5),
}
_MLPS = {"Mlp": "mlp", "SwiGLU": "swiglu", "GluMlp(act_layer=SiLU, gate_last=False)": "swiglu"}
_ACTIVATIONS = {
    None: "gelu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
    "SiLU": "silu",
}


def config_of(settings: dict[str, Any]) -> ViTConfig:
    """Returns the config of the model that timm builds with these arguments.

    Args:
        settings: Arguments of timm's `VisionTransformer`, with "distilled" for `VisionTransformerDistilled`; classes
            by name, as in "RmsNorm(eps=1e-05)".

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    reader = TimmArguments(settings, "ViT")
    norm, epsilon = reader.choice("norm_layer", _NORMS, None)
    order, mlp = reader.choice("block_fn", _BLOCKS, "Block"), reader.choice("mlp_layer", _MLPS, "Mlp")
    embed_dim, mlp_ratio = reader.number("embed_dim", 768), reader.number("mlp_ratio", 4.0)
    is_packed = settings.get("mlp_layer", "").startswith("GluMlp")
    pooling = reader.choice("global_pool", OUR_POOLINGS, "token")
    use_head_norm = reader.get("fc_norm", None)
    use_final_norm = reader.get("final_norm", True)
    layer_scale_init = reader.get("init_values", None)
    reader.require("attn_layer", (None, "", "attn", "Attention"))
    reader.require("embed_norm_layer", (None, "", settings.get("norm_layer")))
    sub_norms = reader.get("scale_attn_norm", False), reader.get("scale_mlp_norm", False)
    if sub_norms[0] != sub_norms[1]:
        raise ValueError(f"ViT needs scale_attn_norm and scale_mlp_norm to be equal; got {sub_norms}.")
    fields = {
        "image_size": reader.get("img_size", 224),
        "patch_size": reader.get("patch_size", 16),
        "in_channels": reader.get("in_chans", 3),
        "pad": reader.get("dynamic_img_pad", False),
        "embed_dim": embed_dim,
        "depth": reader.get("depth", 12),
        "num_heads": reader.get("num_heads", 12),
        "mlp_ratio": _mlp_ratio(embed_dim, mlp_ratio, is_packed),
        "order": order,
        "mlp": mlp,
        "activation": reader.choice("act_layer", _ACTIVATIONS, None),
        "positional_encoding": reader.choice("pos_embed", {"learn": "learned", "none": "none", "": "none"}, "learn"),
        "use_patch_norm": bool(reader.get("embed_norm_layer", None)),
        "use_class_token": reader.get("class_token", True),
        "use_distillation_token": reader.get("distilled", False),
        "num_register_tokens": reader.get("reg_tokens", 0),
        "use_embedding_norm": reader.get("pre_norm", False),
        "use_qkv_bias": reader.get("qkv_bias", True),
        "use_projection_bias": reader.get("proj_bias", True),
        "use_qk_norm": reader.get("qk_norm", False),
        "use_sub_norm": all(sub_norms),
        # Block takes 0 for none; its variant with norms after the branches starts those at this value instead.
        "layer_scale_init": None if order == "post_norm" else layer_scale_init or None,
        "norm": norm,
        "norm_epsilon": epsilon,
        "num_classes": reader.get("num_classes", 1000),
        "pooling": pooling,
        "pool_prefix_tokens": reader.get("pool_include_prefix", False),
        "use_final_norm": use_final_norm,
        "use_head_norm": use_final_norm and (pooling in ("mean", "max") if use_head_norm is None else use_head_norm),
    }
    reader.get("no_embed_class", False)  # the file shows it
    reader.finish()
    if not fields["pad"]:
        fields["drop_remainder"] = _leaves_remainder(fields["image_size"], fields["patch_size"])
    return ViTConfig.from_dict(fields)


def settings_of(config: ViTConfig) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with."""
    rows, columns = config.grid_size
    own_size = (rows * config.patch_size[0], columns * config.patch_size[1])
    is_uneven = config.drop_remainder and config.position_grid is None
    pooling = POOLINGS.get(config.pooling, config.pooling)
    arguments = {
        "img_size": list(config.image_size if is_uneven and config.image_size else own_size),
        "patch_size": list(config.patch_size),
        "in_chans": config.in_channels,
        "global_pool": pooling,
        "embed_dim": config.embed_dim,
        "depth": config.depth,
        "num_heads": config.num_heads,
        "mlp_ratio": _timm_mlp_ratio(config),
        "qkv_bias": config.use_qkv_bias,
        "qk_norm": config.use_qk_norm,
        "scale_attn_norm": config.use_sub_norm,
        "scale_mlp_norm": config.use_sub_norm,
        "proj_bias": config.use_projection_bias,
        # Not None, which timm takes as "not given": the architecture's own value would stay.
        "init_values": config.layer_scale_init or 0.0,
        "class_token": config.use_class_token,
        "pos_embed": "none" if config.positional_encoding == "none" else "learn",
        "no_embed_class": not config.use_distillation_token,
        "reg_tokens": config.num_register_tokens,
        "pre_norm": config.use_embedding_norm,
        "final_norm": config.use_final_norm,
        "fc_norm": config.use_head_norm,
        "pool_include_prefix": config.pool_prefix_tokens,
        "dynamic_img_size": config.image_size is None or config.pad or config.position_grid is not None,
        "dynamic_img_pad": config.pad,
        "act_layer": "silu" if config.mlp == "swiglu" else config.activation,
    }
    if config.norm == "rms_norm" and not config.use_patch_norm:
        arguments["embed_norm_layer"] = ""
    return {
        # An unknown name stops timm with a clear error; a known one would give wrong numbers.
        "architecture": _base(config) or "keras_vit",
        "num_classes": config.num_classes,
        "num_features": config.embed_dim,
        "global_pool": pooling,
        "model_args": arguments,
    }


def _base(config: ViTConfig) -> str | None:
    """Returns timm's architecture to start from, or None where timm cannot build the model."""
    has_norm = config.use_patch_norm == (config.norm == "rms_norm") or config.norm == "rms_norm"
    is_gated_head = config.mlp == "swiglu" and config.pooling == "attention" and config.activation != "silu"
    if config.pre_logits_dim is not None or config.pooling not in POOLINGS or not has_norm or is_gated_head:
        return None
    if config.window_size is not None:
        return None
    has_scale = config.layer_scale_init is not None  # timm's parallel block takes 0 for a scale, too
    if config.order == "parallel" and (config.use_sub_norm or not config.use_projection_bias or not has_scale):
        return None
    base = _BASES.get((config.order, config.mlp, config.norm, config.norm_epsilon))
    if not config.use_distillation_token:
        return base
    is_plain = base == "vit_base_patch16_224" and not config.num_register_tokens and not config.use_head_norm
    return _DISTILLED_BASE if is_plain and config.positional_encoding != "none" else None


def _leaves_remainder(image_size: Any, patch_size: Any) -> bool:
    """Whether timm's convolution leaves out pixels at the bottom and right."""
    sizes, patches = ((each, each) if isinstance(each, int) else each for each in (image_size, patch_size))
    return any(size % patch for size, patch in zip(sizes, patches, strict=False))  # the config checks their lengths


def _mlp_ratio(embed_dim: Any, ratio: Any, is_packed: bool) -> float:
    """Returns our ratio; in timm, gate and linear branch share a packed width."""
    return int(embed_dim * ratio) // 2 / embed_dim if is_packed else read_mlp_ratio(embed_dim, ratio)


def _timm_mlp_ratio(config: ViTConfig) -> float:
    is_packed = config.mlp == "swiglu" and not key_maps.has_split_gate(config)
    factor = 2 if is_packed else 1
    return write_mlp_ratio(config.embed_dim, factor * config.mlp_ratio, factor * config.mlp_dim)
