"""The arguments that timm builds Swin Transformers with: read as our config, and written from it; of both versions."""

from typing import Any

from keras_vit.models.shifted_windows.stages import SwinStages
from keras_vit.models.timm_arguments import OUR_POOLINGS, POOLINGS, TimmArguments


def read_arguments(reader: TimmArguments) -> dict[str, Any]:
    """Returns the fields that both versions have.

    Args:
        reader: timm's arguments; what a version has beside these is still to be asked for.

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    reader.require("norm_layer", (None, "LayerNorm", "layernorm"))
    reader.require("always_partition", (None, False))
    return {
        "image_size": reader.get("img_size", 224),
        "patch_size": reader.get("patch_size", 4),
        "in_channels": reader.get("in_chans", 3),
        "embed_dim": reader.get("embed_dim", 96),
        "depths": reader.get("depths", (2, 2, 6, 2)),
        "num_heads": reader.get("num_heads", (3, 6, 12, 24)),
        "window_size": _read_windows(reader.get("window_size", 7)),
        "mlp_ratio": reader.number("mlp_ratio", 4.0),
        "use_qkv_bias": reader.get("qkv_bias", True),
        "num_classes": reader.get("num_classes", 1000),
        "pooling": reader.choice("global_pool", OUR_POOLINGS, "avg"),
    }


def write_settings(architecture: str, config: SwinStages, more: dict[str, Any]) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model.

    Args:
        architecture: timm's, whose arguments can all be overridden.
        config: The model's settings. Where it takes any image, timm's model takes those of the usual size.
        more: Arguments that only one version has.
    """
    pooling = POOLINGS[config.pooling]
    windows = [list(size) for size in config.window_size]
    return {
        # timm has no head on patches that are not pooled. An unknown name stops it with a clear error.
        "architecture": "keras_vit" if config.num_classes and config.pooling == "none" else architecture,
        "num_classes": config.num_classes,
        "num_features": config.embed_dims[-1],
        "global_pool": pooling,
        "model_args": {
            "img_size": list(config.usual_size),
            "patch_size": list(config.patch_size),
            "in_chans": config.in_channels,
            "global_pool": pooling,
            "embed_dim": config.embed_dim,
            "depths": list(config.depths),
            "num_heads": list(config.num_heads),
            "window_size": windows[0] if len(windows) == 1 else windows,
            "mlp_ratio": config.mlp_ratio,
            "qkv_bias": config.use_qkv_bias,
            **more,
        },
    }


def _read_windows(size: Any) -> Any:
    """Timm takes two numbers for the rows and columns of all stages, more of them for one window each."""
    is_pair = isinstance(size, list | tuple) and len(size) == 2 and all(isinstance(each, int) for each in size)
    return [size] if is_pair else size
