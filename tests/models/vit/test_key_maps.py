"""Canonical names: one for each weight, timm's; and what timm is told of a model."""

import json

import pytest

from keras_vit import ViT, ViTConfig
from keras_vit.models.vit import key_maps
from tests.models.vit.configs import ALL, OURS_ONLY, SHARED, TINY

# By hand, from timm's VisionTransformer(depth=1, reg_tokens=2, qk_norm=True, init_values=1).
EVERY_NAME = {
    "cls_token": (1, 1, 8),
    "reg_token": (1, 2, 8),
    "pos_embed": (1, 6, 8),
    "patch_embed.proj.weight": (8, 3, 4, 4),
    "patch_embed.proj.bias": (8,),
    "blocks.0.norm1.weight": (8,),
    "blocks.0.norm1.bias": (8,),
    "blocks.0.attn.qkv.weight": (24, 8),
    "blocks.0.attn.qkv.bias": (24,),
    "blocks.0.attn.q_norm.weight": (4,),
    "blocks.0.attn.q_norm.bias": (4,),
    "blocks.0.attn.k_norm.weight": (4,),
    "blocks.0.attn.k_norm.bias": (4,),
    "blocks.0.attn.proj.weight": (8, 8),
    "blocks.0.attn.proj.bias": (8,),
    "blocks.0.ls1.gamma": (8,),
    "blocks.0.norm2.weight": (8,),
    "blocks.0.norm2.bias": (8,),
    "blocks.0.mlp.fc1.weight": (16, 8),
    "blocks.0.mlp.fc1.bias": (16,),
    "blocks.0.mlp.fc2.weight": (8, 16),
    "blocks.0.mlp.fc2.bias": (8,),
    "blocks.0.ls2.gamma": (8,),
    "norm.weight": (8,),
    "norm.bias": (8,),
    "head.weight": (3, 8),
    "head.bias": (3,),
}


@pytest.mark.parametrize("name", ALL)
def test_every_weight_has_one_name_and_every_name_one_weight(name):
    model = ViT(**{**TINY, **ALL[name]})
    entries = key_maps.canonical(model.config)
    assert sorted(entry.variable for entry in entries) == sorted(model.weights_by_path())
    assert len({entry.name for entry in entries}) == len(entries)


def test_names_and_shapes_are_those_of_timm():
    model = ViT(**{**TINY, "depth": 1}, num_register_tokens=2, use_qk_norm=True, layer_scale_init=1.0)
    weights = model.weights_by_path()
    shapes = {
        entry.name: entry.transform.file_shape(tuple(weights[entry.variable].shape))
        for entry in key_maps.canonical(model.config)
    }
    assert shapes == EVERY_NAME


def test_a_norm_after_pooling_and_attention_pooling_have_names_of_their_own():
    config = ViTConfig(**TINY, pooling="attention", use_head_norm=True)
    names = {entry.name for entry in key_maps.canonical(config)}
    assert "norm.weight" not in names
    assert {name for name in names if name.startswith(("fc_norm", "attn_pool"))} == {
        "fc_norm.weight",
        "fc_norm.bias",
        "attn_pool.latent",
        *(
            f"attn_pool.{layer}.{kind}"
            for layer in ("q", "kv", "proj", "norm", "mlp.fc1", "mlp.fc2")
            for kind in ("weight", "bias")
        ),
    }


@pytest.mark.parametrize("name", SHARED)
def test_timm_is_told_what_it_can_express(name):
    config = ViTConfig(**{**TINY, **SHARED[name]})
    settings = json.loads(json.dumps(key_maps.timm_settings(config)))
    by_epsilon = {1e-6: "vit_base_patch16_224", 1e-5: "vit_base_patch16_clip_224"}
    assert settings["architecture"] == by_epsilon[config.norm_epsilon]
    assert settings["num_classes"] == config.num_classes
    assert settings["num_features"] == 8


@pytest.mark.parametrize("name", OURS_ONLY)
def test_timm_is_stopped_where_it_would_compute_something_else(name):
    config = ViTConfig(**{**TINY, **OURS_ONLY[name]})
    assert key_maps.timm_settings(config)["architecture"] == "keras_vit"


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
    arguments = key_maps.timm_settings(config)["model_args"]
    assert arguments["img_size"] == [8, 12]
    assert arguments["dynamic_img_size"]
    assert arguments["dynamic_img_pad"]
    assert (arguments["global_pool"], arguments["fc_norm"], arguments["class_token"]) == ("avg", True, False)
    assert (arguments["reg_tokens"], arguments["init_values"], arguments["act_layer"]) == (2, 0.5, "quick_gelu")
    assert (arguments["pos_embed"], arguments["no_embed_class"]) == ("learn", True)


@pytest.mark.parametrize(("embed_dim", "mlp_ratio"), [(8, 2.4), (192, 4.0), (1408, 6144 / 1408), (1664, 8192 / 1664)])
def test_the_width_that_timm_rounds_down_to_is_ours(embed_dim, mlp_ratio):
    config = ViTConfig(embed_dim=embed_dim, num_heads=8, mlp_ratio=mlp_ratio)
    ratio = key_maps.timm_settings(config)["model_args"]["mlp_ratio"]
    assert int(embed_dim * ratio) == config.mlp_dim
