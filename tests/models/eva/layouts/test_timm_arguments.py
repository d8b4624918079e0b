"""timm's arguments of EVA: read as a config, written from it, and refused where they make something else."""

import pytest

from keras_vit import EVAConfig
from keras_vit.models.eva import presets
from keras_vit.models.eva.layouts.timm_arguments import config_of, settings_of
from tests.models.eva.configs import ALL, TINY


def test_the_arguments_of_eva02_are_the_defaults_of_the_config():
    settings = {**presets.TABLES.timm_settings("eva02_base_patch14_224"), "num_classes": 1000}
    assert config_of(settings) == EVAConfig()


def test_dinov3_is_read():
    config = config_of(presets.TABLES.timm_settings("vit_small_plus_patch16_dinov3"))
    assert (config.rotary, config.rotary_temperature, config.num_register_tokens) == ("centred", 100, 4)
    assert (config.mlp, config.mlp_dim, config.use_qkv_bias, config.layer_scale_init) == ("swiglu", 1536, False, 1e-5)
    assert (config.pooling, config.use_head_norm, config.positional_encoding) == ("mean", False, "none")


def test_widths_are_rounded_up_to_what_timm_aligns_them_to():
    settings = {"embed_dim": 1536, "num_heads": 24, "mlp_ratio": 8 / 3, "swiglu_mlp": True}
    assert config_of({**settings, "swiglu_align_to": 8}).mlp_dim == 4096
    assert config_of({**settings, "mlp_ratio": 2.3, "swiglu_align_to": 64}).mlp_dim == 3584  # 3532 before


# What timm builds, named by an architecture with the same norm and without anything that a null would have to remove.
@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("eva02", "eva_giant_patch14_224"),
        ("dinov3", "vit_base_patch16_dinov3_qkvb"),
        ("sapiens2", "vit_base_patch16_sapiens2"),
        ("pe_core", "eva_giant_patch14_224"),
        ("shared_keys_without_bias", "keras_vit"),
    ],
)
def test_a_model_is_written_for_timm_where_timm_has_it(name, architecture):
    config = EVAConfig(**{**TINY, **ALL[name]})
    settings = settings_of(config)
    assert settings["architecture"] == architecture
    if architecture != "keras_vit":
        base = presets.TABLES.timm_settings(architecture)
        assert config_of({**base, **settings["model_args"], "num_classes": config.num_classes}) == config


@pytest.mark.parametrize(
    "changes",
    [
        {"norm_epsilon": 1e-3},
        {"norm_epsilon": 1e-5, "rotary_grid": None},
        {"norm": "rms_norm"},
        {"order": "post_norm", "use_qk_norm": True},
    ],
)
def test_what_timm_does_not_have_is_not_written_as_another_model(changes):
    assert settings_of(EVAConfig(**{**TINY, **changes}))["architecture"] == "keras_vit"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rope_type": "mrope"}, "rope_type='mrope' makes another architecture than EVA"),
        ({"attn_type": "diff"}, "attn_type='diff' makes another architecture than EVA"),
        ({"norm_layer": "BatchNorm"}, "norm_layer='BatchNorm' makes another architecture than EVA"),
        (
            {"use_rot_pos_emb": True, "rope_rotate_half": True},
            "EVA needs rope_rotate_half=True with rope_type='dinov3'",
        ),
        (
            {"use_fc_norm": True, "use_post_transformer_norm": True},
            "EVA needs use_fc_norm or use_post_transformer_norm",
        ),
        ({"dynamic_img_pad": True}, "dynamic_img_pad=True makes another architecture than EVA"),
        ({"gated_attn": True}, "'gated_attn' are unknown to EVA"),
        ({"mlp_ratio": "4"}, "mlp_ratio='4' is no number"),
        ({"num_kv_heads": 5}, "num_key_value_heads needs one number for each of 12 layers"),
    ],
)
def test_other_architectures_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config_of(settings)
