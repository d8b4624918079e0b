"""The presets of ViT: timm's published checkpoints, the short names for the usual ones, and vit_digits."""

from pathlib import Path
from typing import Any

from keras_vit.models.catalogue import Preset
from keras_vit.models.timm_tables import TimmTables

_DIFFERENTIAL = "its attention is the difference of two softmaxes (differential attention)"

# How the names of architectures that ViT does not build begin -> why.
EXCEPTIONS = {
    "vit_dlittle_": _DIFFERENTIAL,
    "vit_dpwee_": _DIFFERENTIAL,
    "vit_dwee_": _DIFFERENTIAL,
}

# FAMILY_SIZE[_KIND][_IMAGE SIZE] -> full name. Without an image size it is 224, or the smallest that is published. A
# classifier of ImageNet-1k (vit, deit, deit3, flexivit, and all that end with in1k) is the one of its architecture
# with the best reported top-1; vit_h14, of which none is published, is the encoder trained on ImageNet-21k. Encoders
# are those of the family's own authors; CLIP's are OpenAI's, and in sizes that OpenAI did not publish, LAION's.
SHORT_NAMES = {
    "vit_ti16": "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "vit_ti16_384": "vit_tiny_patch16_384.augreg_in21k_ft_in1k",
    "vit_ti16_in21k": "vit_tiny_patch16_224.augreg_in21k",
    "vit_s16": "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "vit_s16_384": "vit_small_patch16_384.augreg_in21k_ft_in1k",
    "vit_s16_in21k": "vit_small_patch16_224.augreg_in21k",
    "vit_s32": "vit_small_patch32_224.augreg_in21k_ft_in1k",
    "vit_s32_384": "vit_small_patch32_384.augreg_in21k_ft_in1k",
    "vit_s32_in21k": "vit_small_patch32_224.augreg_in21k",
    "vit_b8": "vit_base_patch8_224.augreg2_in21k_ft_in1k",
    "vit_b8_in21k": "vit_base_patch8_224.augreg_in21k",
    "vit_b16": "vit_base_patch16_224.augreg2_in21k_ft_in1k",
    "vit_b16_384": "vit_base_patch16_384.augreg_in21k_ft_in1k",
    "vit_b16_in21k": "vit_base_patch16_224.augreg_in21k",
    "vit_b32": "vit_base_patch32_224.augreg_in21k_ft_in1k",
    "vit_b32_384": "vit_base_patch32_384.augreg_in21k_ft_in1k",
    "vit_b32_in21k": "vit_base_patch32_224.augreg_in21k",
    "vit_l16": "vit_large_patch16_224.augreg_in21k_ft_in1k",
    "vit_l16_384": "vit_large_patch16_384.augreg_in21k_ft_in1k",
    "vit_l16_in21k": "vit_large_patch16_224.augreg_in21k",
    "vit_l32_384": "vit_large_patch32_384.orig_in21k_ft_in1k",
    "vit_h14": "vit_huge_patch14_224.orig_in21k",
    "deit_ti16": "deit_tiny_patch16_224.fb_in1k",
    "deit_ti16_distilled": "deit_tiny_distilled_patch16_224.fb_in1k",
    "deit_s16": "deit_small_patch16_224.fb_in1k",
    "deit_s16_distilled": "deit_small_distilled_patch16_224.fb_in1k",
    "deit_b16": "deit_base_patch16_224.fb_in1k",
    "deit_b16_384": "deit_base_patch16_384.fb_in1k",
    "deit_b16_distilled": "deit_base_distilled_patch16_224.fb_in1k",
    "deit_b16_distilled_384": "deit_base_distilled_patch16_384.fb_in1k",
    "deit3_s16": "deit3_small_patch16_224.fb_in22k_ft_in1k",
    "deit3_s16_384": "deit3_small_patch16_384.fb_in22k_ft_in1k",
    "deit3_m16": "deit3_medium_patch16_224.fb_in22k_ft_in1k",
    "deit3_b16": "deit3_base_patch16_224.fb_in22k_ft_in1k",
    "deit3_b16_384": "deit3_base_patch16_384.fb_in22k_ft_in1k",
    "deit3_l16": "deit3_large_patch16_224.fb_in22k_ft_in1k",
    "deit3_l16_384": "deit3_large_patch16_384.fb_in22k_ft_in1k",
    "deit3_h14": "deit3_huge_patch14_224.fb_in22k_ft_in1k",
    "flexivit_s": "flexivit_small.1200ep_in1k",
    "flexivit_b": "flexivit_base.1200ep_in1k",
    "flexivit_l": "flexivit_large.1200ep_in1k",
    "dino_s8": "vit_small_patch8_224.dino",
    "dino_s16": "vit_small_patch16_224.dino",
    "dino_b8": "vit_base_patch8_224.dino",
    "dino_b16": "vit_base_patch16_224.dino",
    "dinov2_s14": "vit_small_patch14_dinov2.lvd142m",
    "dinov2_s14_reg": "vit_small_patch14_reg4_dinov2.lvd142m",
    "dinov2_b14": "vit_base_patch14_dinov2.lvd142m",
    "dinov2_b14_reg": "vit_base_patch14_reg4_dinov2.lvd142m",
    "dinov2_l14": "vit_large_patch14_dinov2.lvd142m",
    "dinov2_l14_reg": "vit_large_patch14_reg4_dinov2.lvd142m",
    "dinov2_g14": "vit_giant_patch14_dinov2.lvd142m",
    "dinov2_g14_reg": "vit_giant_patch14_reg4_dinov2.lvd142m",
    "mae_b16": "vit_base_patch16_224.mae",
    "mae_l16": "vit_large_patch16_224.mae",
    "mae_h14": "vit_huge_patch14_224.mae",
    "aimv2_l14": "aimv2_large_patch14_224.apple_pt",
    "aimv2_l14_336": "aimv2_large_patch14_336.apple_pt",
    "aimv2_l14_448": "aimv2_large_patch14_448.apple_pt",
    "aimv2_h14": "aimv2_huge_patch14_224.apple_pt",
    "aimv2_h14_336": "aimv2_huge_patch14_336.apple_pt",
    "aimv2_h14_448": "aimv2_huge_patch14_448.apple_pt",
    "clip_b16": "vit_base_patch16_clip_quickgelu_224.openai",
    "clip_b16_in1k": "vit_base_patch16_clip_224.laion2b_ft_in12k_in1k",
    "clip_b16_in1k_384": "vit_base_patch16_clip_384.laion2b_ft_in12k_in1k",
    "clip_b32": "vit_base_patch32_clip_quickgelu_224.openai",
    "clip_b32_in1k": "vit_base_patch32_clip_224.laion2b_ft_in12k_in1k",
    "clip_b32_in1k_384": "vit_base_patch32_clip_384.laion2b_ft_in12k_in1k",
    "clip_b32_in1k_448": "vit_base_patch32_clip_448.laion2b_ft_in12k_in1k",
    "clip_l14": "vit_large_patch14_clip_quickgelu_224.openai",
    "clip_l14_336": "vit_large_patch14_clip_quickgelu_336.openai",
    "clip_l14_in1k": "vit_large_patch14_clip_224.openai_ft_in12k_in1k",
    "clip_l14_in1k_336": "vit_large_patch14_clip_336.openai_ft_in12k_in1k",
    "clip_h14": "vit_huge_patch14_clip_224.laion2b",
    "clip_h14_in1k": "vit_huge_patch14_clip_224.laion2b_ft_in12k_in1k",
    "clip_h14_in1k_336": "vit_huge_patch14_clip_336.laion2b_ft_in12k_in1k",
    "clip_g14": "vit_giant_patch14_clip_224.laion2b",
    "clip_bigg14": "vit_gigantic_patch14_clip_224.laion2b",
    "siglip_b16": "vit_base_patch16_siglip_224.webli",
    "siglip_b16_256": "vit_base_patch16_siglip_256.webli",
    "siglip_b16_384": "vit_base_patch16_siglip_384.webli",
    "siglip_b16_512": "vit_base_patch16_siglip_512.webli",
    "siglip_l16": "vit_large_patch16_siglip_256.webli",
    "siglip_l16_384": "vit_large_patch16_siglip_384.webli",
    "siglip_so400m14": "vit_so400m_patch14_siglip_224.webli",
    "siglip_so400m14_378": "vit_so400m_patch14_siglip_378.webli",
    "siglip_so400m14_in1k": "vit_so400m_patch14_siglip_378.webli_ft_in1k",
    "siglip2_b16": "vit_base_patch16_siglip_224.v2_webli",
    "siglip2_b16_256": "vit_base_patch16_siglip_256.v2_webli",
    "siglip2_b16_384": "vit_base_patch16_siglip_384.v2_webli",
    "siglip2_b16_512": "vit_base_patch16_siglip_512.v2_webli",
    "siglip2_b32": "vit_base_patch32_siglip_256.v2_webli",
    "siglip2_l16": "vit_large_patch16_siglip_256.v2_webli",
    "siglip2_l16_384": "vit_large_patch16_siglip_384.v2_webli",
    "siglip2_l16_512": "vit_large_patch16_siglip_512.v2_webli",
    "siglip2_so400m14": "vit_so400m_patch14_siglip_224.v2_webli",
    "siglip2_so400m14_378": "vit_so400m_patch14_siglip_378.v2_webli",
    "siglip2_so400m16": "vit_so400m_patch16_siglip_256.v2_webli",
    "siglip2_so400m16_384": "vit_so400m_patch16_siglip_384.v2_webli",
    "siglip2_so400m16_512": "vit_so400m_patch16_siglip_512.v2_webli",
    "siglip2_g16": "vit_giantopt_patch16_siglip_256.v2_webli",
    "siglip2_g16_384": "vit_giantopt_patch16_siglip_384.v2_webli",
}

# Small enough to train in minutes on two cores and to travel inside the package.
DIGITS_CONFIG: dict[str, Any] = {
    "image_size": (8, 8),
    "in_channels": 1,
    "patch_size": (2, 2),
    "embed_dim": 64,
    "depth": 6,
    "num_heads": 4,
    "mlp_ratio": 2.0,
    "use_class_token": False,
    "pooling": "mean",
    "drop_path_rate": 0.1,
    "num_classes": 10,
}

DIGITS = Preset(
    name="vit_digits",
    description="small, trained on scikit-learn's digits; ships inside the package",
    architecture="ViT",
    parameters=202_954,
    image_size=(8, 8),
    num_classes=10,
    license="mit",
    config=DIGITS_CONFIG,
    folder=Path(__file__).parent / "vit_digits",
)


def count_folded(settings: dict[str, Any]) -> int:
    """Positions of prefix tokens are added to the tokens when they are read."""
    if settings.get("no_embed_class") or settings.get("pos_embed") == "none":
        return 0
    num_prefix_tokens = settings.get("class_token", True) + settings.get("reg_tokens", 0) + ("distilled" in settings)
    return int(num_prefix_tokens * settings.get("embed_dim", 768))


TABLES = TimmTables(
    architecture="ViT",
    folder=Path(__file__).parent,
    short_names=SHORT_NAMES,
    exceptions=EXCEPTIONS,
    count_folded=count_folded,
    of_class={"VisionTransformerDistilled": {"distilled": True}},  # timm's class with a second token and a second head
)


def presets() -> tuple[Preset, ...]:
    """Returns all presets of ViT: vit_digits, timm's checkpoints by full name, and again those with a short name."""
    return (DIGITS, *TABLES.presets)
