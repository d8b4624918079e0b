"""The arguments that timm builds a hybrid ViT with: read as our config, and written from it."""

from typing import Any

from keras_vit.layers.res_net_stem import map_strides
from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.timm_arguments import TimmArguments
from keras_vit.models.vit.layouts import timm_arguments

# timm's stems hold Python classes, which cannot be told in JSON: each named architecture has one of its own, and every
# other argument can be overridden. Stem, its depths and channels -> architecture, and the stem in timm's tables.
_ARCHITECTURES = {
    ("resnet", (), 64): ("vit_tiny_r_s16_p8_224", "HybridEmbed(backbone=Sequential(conv, norm, pool))"),
    ("resnet", (2, 2, 2, 2), 64): ("vit_small_r26_s32_224", "HybridEmbed(backbone=ResNetV2(2, 2, 2, 2))"),
    ("resnet", (3, 4, 9), 64): ("vit_base_r50_s16_224", "HybridEmbed(backbone=ResNetV2(3, 4, 9))"),
    ("resnet", (3, 4, 6, 3), 64): ("vit_large_r50_s32_224", "HybridEmbed(backbone=ResNetV2(3, 4, 6, 3))"),
    ("conv", (), 192): ("vit_base_mci_224", "HybridEmbed(backbone=ConvStem(0, 1, 2), proj=False)"),
}
_STEMS = {words: stem for stem, (_, words) in _ARCHITECTURES.items()}
_MOBILECLIP_PATCH, _MOBILECLIP_DIM = 16, 768  # fixed by timm's convolutions, the last of which makes the tokens


def config_of(settings: dict[str, Any]) -> HybridViTConfig:
    """Returns the config of the model that timm builds with these arguments.

    Args:
        settings: Arguments of timm's `VisionTransformer`; the stem, "embed_layer", in the words of our tables.

    Raises:
        ValueError: An argument or its value makes another architecture than ours.
    """
    stem = TimmArguments(settings, "HybridViT").choice("embed_layer", {words: words for words in _STEMS}, None)
    kind, depths, dim = _STEMS[stem]
    fields = {"stem": kind, "stem_depths": depths, "stem_dim": dim}
    places = settings.get("patch_size", 1)
    strides = _MOBILECLIP_PATCH if kind == "conv" else map_strides(depths)
    pixels = places * strides if isinstance(places, int) else tuple(strides * each for each in places)
    rest = {name: value for name, value in settings.items() if name != "embed_layer"}
    vit = timm_arguments.config_of({**rest, "patch_size": pixels})
    if vit.drop_remainder:
        fields |= {"drop_remainder": False, "pad": True}  # a ResNet pads, where a patch embedding leaves out
    return HybridViTConfig.from_dict({**vit.to_dict(), **fields})


def settings_of(config: HybridViTConfig) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with."""
    settings = timm_arguments.settings_of(config)
    is_mobileclip = config.stem == "conv"
    places = (1, 1) if is_mobileclip else config.on_map.patch_size
    stem = (config.stem, config.stem_depths, config.stem_dim)
    architecture, _ = _ARCHITECTURES.get(stem, ("keras_vit", None))
    is_its_own = config.patch_size == (_MOBILECLIP_PATCH,) * 2 and config.embed_dim == _MOBILECLIP_DIM
    is_built = settings["architecture"] == "vit_base_patch16_224" and not config.use_embedding_norm
    if not is_built or (is_mobileclip and not is_its_own):
        architecture = "keras_vit"
    arguments = {**settings["model_args"], "patch_size": list(places)}
    first_conv = "0.conv" if is_mobileclip else "stem.conv" if config.stem_depths else "conv"
    own = {"first_conv": f"patch_embed.backbone.{first_conv}", "model_args": arguments}
    return {**settings, "architecture": architecture, **own}
