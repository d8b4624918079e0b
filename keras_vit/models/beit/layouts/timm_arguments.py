"""The arguments that timm builds a BEiT with: read as our config, and written from it."""

from typing import Any

from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.timm_arguments import IRRELEVANT, POOLINGS, TimmArguments

_BASE = "beit_base_patch16_224"  # every argument can be overridden, but for the epsilon of the norms
_EPSILON = 1e-6
_POOLINGS = {"avg": "mean", "token": "token", "": "none"}


def config_of(settings: dict[str, Any]) -> BEiTConfig:
    """Returns the config of the model that timm builds with these arguments.

    Args:
        settings: Arguments of timm's `Beit`.

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    reader = TimmArguments(settings, "BEiT", IRRELEVANT | {"head_init_scale"})
    reader.require("qkv_bias", (None, True))
    for name in ("swiglu_mlp", "scale_mlp", "norm_layer"):
        reader.require(name, (None, False))
    has_own_biases = reader.get("use_rel_pos_bias", False)
    has_shared_biases = reader.get("use_shared_rel_pos_bias", False)
    if has_own_biases and has_shared_biases:
        raise ValueError("BEiT needs biases of each layer or of all layers; timm's arguments ask for both.")
    embed_dim = reader.number("embed_dim", 768)
    pooling = reader.choice("global_pool", _POOLINGS, "avg")
    use_head_norm = reader.get("use_fc_norm", None)
    fields = {
        "image_size": reader.get("img_size", 224),
        "patch_size": reader.get("patch_size", 16),
        "in_channels": reader.get("in_chans", 3),
        "embed_dim": embed_dim,
        "depth": reader.get("depth", 12),
        "num_heads": reader.get("num_heads", 12),
        "mlp_ratio": _mlp_ratio(embed_dim, reader.number("mlp_ratio", 4.0)),
        "use_position_bias": has_own_biases or has_shared_biases,
        "positional_encoding": "learned" if reader.get("use_abs_pos_emb", True) else "none",
        "layer_scale_init": reader.get("init_values", None) or None,  # timm takes 0 for none
        "num_classes": reader.get("num_classes", 1000),
        "pooling": pooling,
        "use_head_norm": pooling == "mean" if use_head_norm is None else use_head_norm,
    }
    reader.finish()
    return BEiTConfig.from_dict(fields)


def settings_of(config: BEiTConfig) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with."""
    pooling = POOLINGS[config.pooling]
    can_build = pooling in _POOLINGS and config.norm_epsilon == _EPSILON
    return {
        # An unknown name stops timm with a clear error; a known one would give wrong numbers.
        "architecture": _BASE if can_build else "keras_vit",
        "num_classes": config.num_classes,
        "num_features": config.embed_dim,
        "global_pool": pooling,
        "model_args": {
            "img_size": list(config.image_size),
            "patch_size": list(config.patch_size),
            "in_chans": config.in_channels,
            "global_pool": pooling,
            "embed_dim": config.embed_dim,
            "depth": config.depth,
            "num_heads": config.num_heads,
            "mlp_ratio": _timm_mlp_ratio(config),
            "use_abs_pos_emb": config.positional_encoding == "learned",
            "use_rel_pos_bias": config.use_position_bias,
            "init_values": config.layer_scale_init or 0.0,
            "use_fc_norm": config.use_head_norm,
        },
    }


def _mlp_ratio(embed_dim: Any, ratio: Any) -> float:
    """Turns timm's ratio, which rounds down, into ours, which rounds."""
    width = int(embed_dim * ratio)
    return float(ratio) if round(embed_dim * ratio) == width else width / embed_dim


def _timm_mlp_ratio(config: BEiTConfig) -> float:
    is_same = int(config.embed_dim * config.mlp_ratio) == config.mlp_dim
    return config.mlp_ratio if is_same else (config.mlp_dim + 0.5) / config.embed_dim
