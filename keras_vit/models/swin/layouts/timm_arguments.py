"""The arguments that timm builds a Swin Transformer with: read as our config, and written from it."""

from typing import Any

from keras_vit.models.shifted_windows.timm import read_arguments, write_settings
from keras_vit.models.swin.config import SwinConfig
from keras_vit.models.timm_arguments import TimmArguments


def config_of(settings: dict[str, Any]) -> SwinConfig:
    """Returns the config of the model that timm builds with these arguments of its `SwinTransformer`.

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    reader = TimmArguments(settings, "Swin")
    reader.require("head_dim", (None,))
    reader.require("embed_layer", (None, "PatchEmbed"))
    fields = read_arguments(reader)
    reader.finish()
    return SwinConfig.from_dict(fields)


def settings_of(config: SwinConfig) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with."""
    return write_settings("swin_tiny_patch4_window7_224", config, {})
