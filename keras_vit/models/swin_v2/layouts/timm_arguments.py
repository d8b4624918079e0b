"""The arguments that timm builds a Swin Transformer V2 with: read as our config, and written from it."""

from typing import Any

from keras_vit.models.shifted_windows.timm import read_arguments, write_settings
from keras_vit.models.swin_v2.config import SwinV2Config
from keras_vit.models.timm_arguments import TimmArguments


def config_of(settings: dict[str, Any]) -> SwinV2Config:
    """Returns the config of the model that timm builds with these arguments of its `SwinTransformerV2`.

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    reader = TimmArguments(settings, "SwinV2")
    reader.require("act_layer", (None, "gelu"))
    sizes = reader.get("pretrained_window_sizes", (0,))
    fields = {**read_arguments(reader), "pretrained_window_size": sizes if any(sizes) else (0,)}
    reader.finish()
    return SwinV2Config.from_dict(fields)


def settings_of(config: SwinV2Config) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with."""
    sizes = {"pretrained_window_sizes": config.pretrained_window_sizes}
    return write_settings("swinv2_tiny_window8_256", config, sizes)
