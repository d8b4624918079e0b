"""The arguments that timm builds a pyramid transformer with: read as our config, and written from it."""

from typing import Any

from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.timm_arguments import POOLINGS, TimmArguments

_BASE = "pvt_v2_b2"  # every argument of it can be overridden
# What timm does not let arguments change.
_FIXED = {"norm_epsilon": 1e-6, "embedding_norm_epsilon": 1e-5, "activation": "gelu"}


def config_of(settings: dict[str, Any]) -> PyramidViTConfig:
    """Returns the config of the model that timm builds with these arguments.

    Args:
        settings: Arguments of timm's `PyramidVisionTransformerV2`, and the image size.

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    reader = TimmArguments(settings, "PyramidViT")
    depths = reader.get("depths", (3, 4, 6, 3))
    fields = {
        "image_size": reader.get("img_size", 224),
        "in_channels": reader.get("in_chans", 3),
        "embed_dims": reader.get("embed_dims", (64, 128, 256, 512)),
        "depths": depths,
        "num_heads": _for_each(reader.get("num_heads", (1, 2, 4, 8)), depths),
        "mlp_ratios": _for_each(reader.get("mlp_ratios", (8.0, 8.0, 4.0, 4.0)), depths),
        "reduction_sizes": _for_each(reader.get("sr_ratios", (8, 4, 2, 1)), depths),
        "use_pooling": reader.get("linear", False),
        "use_qkv_bias": reader.get("qkv_bias", True),
        **_FIXED,
        "num_classes": reader.get("num_classes", 1000),
        "pooling": reader.choice("global_pool", {"avg": "mean", "": "none"}, "avg"),
    }
    reader.finish()
    return PyramidViTConfig.from_dict(fields)


def settings_of(config: PyramidViTConfig) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with.

    An image size is not among them: timm's model takes any.
    """
    # timm's head takes no map of patches.
    has_pooling = config.pooling == "mean" or (config.pooling == "none" and not config.num_classes)
    can_build = has_pooling and all(getattr(config, name) == value for name, value in _FIXED.items())
    pooling = POOLINGS[config.pooling]
    return {
        # An unknown name stops timm with a clear error; a known one would give wrong numbers.
        "architecture": _BASE if can_build else "keras_vit",
        "num_classes": config.num_classes,
        "num_features": config.embed_dims[-1],
        "global_pool": pooling,
        "model_args": {
            "in_chans": config.in_channels,
            "global_pool": pooling,
            "embed_dims": list(config.embed_dims),
            "depths": list(config.depths),
            "num_heads": list(config.num_heads),
            "mlp_ratios": list(config.mlp_ratios),
            "sr_ratios": list(config.reduction_sizes),
            "linear": config.use_pooling,
            "qkv_bias": config.use_qkv_bias,
        },
    }


def _for_each(value: Any, depths: Any) -> Any:
    """Repeats a number that timm takes for all stages."""
    return [value] * len(depths) if isinstance(value, int | float) else value
