"""Canonical names: one for each weight, timm's."""

from keras_vit import ViT, ViTConfig
from keras_vit.models.vit import key_maps
from tests.models.vit.configs import TINY

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
