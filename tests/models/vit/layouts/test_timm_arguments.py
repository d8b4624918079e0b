"""What timm is told of a model, and how its arguments are read."""

import dataclasses
import json

import pytest

from keras_vit import ViTConfig
from keras_vit.models.vit import presets
from keras_vit.models.vit.layouts.timm_arguments import config_of, settings_of
from tests.models.vit.configs import OURS_ONLY, SHARED, TINY


@pytest.mark.parametrize("name", SHARED)
def test_timm_is_told_what_it_can_express(name):
    config = ViTConfig(**{**TINY, **SHARED[name]})
    settings = json.loads(json.dumps(settings_of(config)))
    assert settings["architecture"] in presets.TABLES.architectures()
    assert settings["num_classes"] == config.num_classes
    assert settings["num_features"] == 8


@pytest.mark.parametrize("name", OURS_ONLY)
def test_timm_is_stopped_where_it_would_compute_something_else(name):
    config = ViTConfig(**{**TINY, **OURS_ONLY[name]})
    assert settings_of(config)["architecture"] == "keras_vit"


def test_the_arguments_for_timm_follow_the_config():
    config = ViTConfig(
        **{**TINY, "image_size": (7, 10)},
        pad=True,
        use_class_token=False,
        pooling="mean",
        use_head_norm=True,
        num_register_tokens=2,
        layer_scale_init=0.5,
        activation="quick_gelu",
        positional_encoding="sincos",
    )
    arguments = settings_of(config)["model_args"]
    assert arguments["img_size"] == [8, 12]
    assert arguments["dynamic_img_size"]
    assert arguments["dynamic_img_pad"]
    assert (arguments["global_pool"], arguments["fc_norm"], arguments["class_token"]) == ("avg", True, False)
    assert (arguments["reg_tokens"], arguments["init_values"], arguments["act_layer"]) == (2, 0.5, "quick_gelu")
    assert (arguments["pos_embed"], arguments["no_embed_class"]) == ("learn", True)


@pytest.mark.parametrize(("embed_dim", "mlp_ratio"), [(8, 2.4), (192, 4.0), (1408, 6144 / 1408), (1664, 8192 / 1664)])
def test_the_width_that_timm_rounds_down_to_is_ours(embed_dim, mlp_ratio):
    config = ViTConfig(embed_dim=embed_dim, num_heads=8, mlp_ratio=mlp_ratio)
    ratio = settings_of(config)["model_args"]["mlp_ratio"]
    assert int(embed_dim * ratio) == config.mlp_dim


@pytest.mark.parametrize("name", SHARED)
def test_what_timm_is_told_comes_back_as_the_same_config(name):
    config = ViTConfig(**{**TINY, **SHARED[name]})
    settings = json.loads(json.dumps(settings_of(config)))
    base = presets.TABLES.timm_settings(settings["architecture"])
    again = config_of({**base, **settings["model_args"], "num_classes": settings["num_classes"]})
    told = {field.name for field in dataclasses.fields(config)} - {
        *("activation", "image_size", "mlp_ratio", "position_grid", "positional_encoding")  # said in another way
    }
    assert {name: getattr(again, name) for name in told} == {name: getattr(config, name) for name in told}
    assert again.mlp_dim == config.mlp_dim
    assert again.grid_size == config.grid_size


# By hand from timm's vision_transformer.py.
@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        ("vit_base_patch16_224", {}),
        (
            "vit_small_patch14_reg4_dinov2",
            {
                "embed_dim": 384,
                "num_heads": 6,
                "layer_scale_init": 1e-5,
                "num_register_tokens": 4,
                "image_size": (518, 518),
                "patch_size": (14, 14),
            },
        ),
        (
            "vit_base_patch16_clip_quickgelu_224",
            {"activation": "quick_gelu", "use_embedding_norm": True, "norm_epsilon": 1e-5},
        ),
        ("vit_base_patch16_siglip_224", {"pooling": "attention", "use_class_token": False}),
        (
            "vit_so400m_patch16_siglip_gap_512",
            {
                "activation": "gelu_tanh",
                "use_class_token": False,
                "pooling": "mean",
                "embed_dim": 1152,
                "depth": 27,
                "num_heads": 16,
                "mlp_ratio": 3.7362,
                "image_size": (512, 512),
            },
        ),
        (
            "vit_base_patch16_rpn_224",
            {
                "order": "post_norm",
                "use_class_token": False,
                "pooling": "mean",
                "use_head_norm": True,
                "use_qkv_bias": False,
            },
        ),
        ("deit_base_distilled_patch16_224", {"use_distillation_token": True}),
        (
            "vit_base_patch16_radio_v3",
            {"use_final_norm": False, "num_register_tokens": 7, "layer_scale_init": 1e-5, "image_size": (512, 512)},
        ),
        (
            "beit3_base_patch16_224",
            {"use_sub_norm": True, "norm_epsilon": 1e-5, "pooling": "mean", "use_head_norm": True},
        ),
        (
            "aimv2_large_patch14_224",
            {
                "embed_dim": 1024,
                "depth": 24,
                "num_heads": 8,
                "mlp_ratio": 2.75,
                "mlp": "swiglu",
                "activation": "silu",
                "norm": "rms_norm",
                "norm_epsilon": 1e-5,
                "pooling": "mean",
                "use_class_token": False,
                "use_qkv_bias": False,
                "use_projection_bias": False,
                "use_patch_norm": True,
                "patch_size": (14, 14),
            },
        ),
    ],
)
def test_architectures_of_timm_are_told_in_our_words(architecture, fields):
    assert config_of(presets.TABLES.timm_settings(architecture)) == ViTConfig(**fields)


def test_a_packed_gate_counts_half():
    config = config_of(presets.TABLES.timm_settings("vit_giant_patch14_dinov2"))
    assert (config.mlp, config.mlp_dim, config.activation) == ("swiglu", 4096, "silu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attn_layer": "diff"}, "attn_layer='diff' makes another architecture"),
        ({"block_fn": "ParallelThingsBlock"}, "block_fn='ParallelThingsBlock' makes another architecture"),
        ({"act_layer": "relu"}, "act_layer='relu' makes another architecture than ViT, which knows None, 'gelu'"),
        ({"global_pool": "prr"}, "global_pool='prr'"),
        ({"norm_layer": ["x"]}, "norm_layer="),
        ({"scale_attn_norm": True}, "scale_attn_norm and scale_mlp_norm to be equal"),
        ({"rope": True, "window": 3}, "argument.s. 'rope', 'window' are unknown to ViT"),
        ({"depth": 1000}, "depth needs a whole number from 1 to 200; got 1000"),
    ],
)
def test_arguments_that_make_something_else_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        config_of(arguments)
