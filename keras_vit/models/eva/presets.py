"""The presets of EVA: timm's published checkpoints with rotary positions, and the short names for the usual ones."""

from pathlib import Path
from typing import Any

from keras_vit.models.catalogue import Preset
from keras_vit.models.timm_tables import TimmTables

# FAMILY_SIZE[_IMAGE SIZE | _KIND] -> full name. Without an image size it is the smallest that is published. Names of
# EVA, EVA-02 and RoPE-ViT are the classifier of ImageNet-1k with the best reported top-1 at that size; with _mim the
# encoder before it, trained on hidden patches of ImageNet-22k. All others are encoders: DINOv3's without the biases of
# queries and values, which are zero in them, trained on photographs of the web; with _sat, of satellites.
SHORT_NAMES = {
    "eva_g14": "eva_giant_patch14_224.clip_ft_in1k",
    "eva_g14_336": "eva_giant_patch14_336.m30m_ft_in22k_in1k",
    "eva_g14_560": "eva_giant_patch14_560.m30m_ft_in22k_in1k",
    "eva02_ti14": "eva02_tiny_patch14_336.mim_in22k_ft_in1k",
    "eva02_ti14_mim": "eva02_tiny_patch14_224.mim_in22k",
    "eva02_s14": "eva02_small_patch14_336.mim_in22k_ft_in1k",
    "eva02_s14_mim": "eva02_small_patch14_224.mim_in22k",
    "eva02_b14": "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k",
    "eva02_b14_mim": "eva02_base_patch14_224.mim_in22k",
    "eva02_l14": "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k",
    "eva02_l14_mim": "eva02_large_patch14_224.mim_in22k",
    "eva_clip_g14": "eva_giant_patch14_clip_224.merged2b",
    "eva02_clip_b16": "eva02_base_patch16_clip_224.merged2b",
    "eva02_clip_l14": "eva02_large_patch14_clip_224.merged2b",
    "eva02_clip_l14_336": "eva02_large_patch14_clip_336.merged2b",
    "eva02_clip_e14": "eva02_enormous_patch14_clip_224.laion2b_plus",
    "dinov3_s16": "vit_small_patch16_dinov3.lvd1689m",
    "dinov3_s16_plus": "vit_small_plus_patch16_dinov3.lvd1689m",
    "dinov3_b16": "vit_base_patch16_dinov3.lvd1689m",
    "dinov3_l16": "vit_large_patch16_dinov3.lvd1689m",
    "dinov3_l16_sat": "vit_large_patch16_dinov3.sat493m",
    "dinov3_h16_plus": "vit_huge_plus_patch16_dinov3.lvd1689m",
    "dinov3_7b16": "vit_7b_patch16_dinov3.lvd1689m",
    "dinov3_7b16_sat": "vit_7b_patch16_dinov3.sat493m",
    "pe_core_ti16": "vit_pe_core_tiny_patch16_384.fb",
    "pe_core_s16": "vit_pe_core_small_patch16_384.fb",
    "pe_core_b16": "vit_pe_core_base_patch16_224.fb",
    "pe_core_l14": "vit_pe_core_large_patch14_336.fb",
    "pe_core_g14": "vit_pe_core_gigantic_patch14_448.fb",
    "pe_lang_l14": "vit_pe_lang_large_patch14_448.fb",
    "pe_lang_g14": "vit_pe_lang_gigantic_patch14_448.fb",
    "pe_spatial_ti16": "vit_pe_spatial_tiny_patch16_512.fb",
    "pe_spatial_s16": "vit_pe_spatial_small_patch16_512.fb",
    "pe_spatial_b16": "vit_pe_spatial_base_patch16_512.fb",
    "pe_spatial_l14": "vit_pe_spatial_large_patch14_448.fb",
    "pe_spatial_g14": "vit_pe_spatial_gigantic_patch14_448.fb",
    "rope_s16": "vit_small_patch16_rope_224.naver_in1k",
    "rope_s16_mixed": "vit_small_patch16_rope_mixed_224.naver_in1k",
    "rope_b16": "vit_base_patch16_rope_224.naver_in1k",
    "rope_b16_mixed": "vit_base_patch16_rope_mixed_224.naver_in1k",
    "rope_l16": "vit_large_patch16_rope_224.naver_in1k",
    "rope_l16_mixed": "vit_large_patch16_rope_mixed_224.naver_in1k",
    "lingbot_s16": "vit_small_patch16_lingbot.robbyant",
    "lingbot_b16": "vit_base_patch16_lingbot.robbyant",
    "lingbot_l16": "vit_large_patch16_lingbot.robbyant",
    "lingbot_g16": "vit_giant_patch16_lingbot.robbyant",
    "sapiens2_b16": "vit_base_patch16_sapiens2.fb",
    "sapiens2_l16": "vit_large_patch16_sapiens2.fb",
    "sapiens2_h16": "vit_huge_patch16_sapiens2.fb",
    "sapiens2_g16": "vit_giant_patch16_sapiens2.fb",
    "sapiens2_5b16": "vit_5b_patch16_sapiens2.fb",
}


def _count_folded(settings: dict[str, Any]) -> int:
    """Positions of prefix tokens are added to the tokens when they are read."""
    if settings.get("no_embed_class") or not settings.get("use_abs_pos_emb", True):
        return 0
    num_prefix_tokens = settings.get("class_token", True) + settings.get("num_reg_tokens", 0)
    return int(num_prefix_tokens * settings.get("embed_dim", 768))


TABLES = TimmTables(
    architecture="EVA", folder=Path(__file__).parent, short_names=SHORT_NAMES, count_folded=_count_folded
)


def presets() -> tuple[Preset, ...]:
    """Returns all presets of EVA: timm's checkpoints by full name, and again those with a short name."""
    return TABLES.presets
