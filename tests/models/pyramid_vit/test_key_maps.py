"""Canonical names: one for each weight, timm's."""

from keras_vit import PyramidViT
from keras_vit.models.pyramid_vit import key_maps
from tests.models.pyramid_vit.configs import TINY

# By hand, from timm's PyramidVisionTransformerV2(depths=(1, 1), embed_dims=(8, 12), sr_ratios=(2, 1), ...).
EVERY_NAME = {
    "patch_embed.proj.weight": (8, 3, 7, 7),
    "patch_embed.proj.bias": (8,),
    "patch_embed.norm.weight": (8,),
    "patch_embed.norm.bias": (8,),
    "stages.0.blocks.0.norm1.weight": (8,),
    "stages.0.blocks.0.norm1.bias": (8,),
    "stages.0.blocks.0.attn.q.weight": (8, 8),
    "stages.0.blocks.0.attn.q.bias": (8,),
    "stages.0.blocks.0.attn.kv.weight": (16, 8),
    "stages.0.blocks.0.attn.kv.bias": (16,),
    "stages.0.blocks.0.attn.proj.weight": (8, 8),
    "stages.0.blocks.0.attn.proj.bias": (8,),
    "stages.0.blocks.0.attn.sr.weight": (8, 8, 2, 2),
    "stages.0.blocks.0.attn.sr.bias": (8,),
    "stages.0.blocks.0.attn.norm.weight": (8,),
    "stages.0.blocks.0.attn.norm.bias": (8,),
    "stages.0.blocks.0.norm2.weight": (8,),
    "stages.0.blocks.0.norm2.bias": (8,),
    "stages.0.blocks.0.mlp.fc1.weight": (16, 8),
    "stages.0.blocks.0.mlp.fc1.bias": (16,),
    "stages.0.blocks.0.mlp.dwconv.weight": (16, 1, 3, 3),
    "stages.0.blocks.0.mlp.dwconv.bias": (16,),
    "stages.0.blocks.0.mlp.fc2.weight": (8, 16),
    "stages.0.blocks.0.mlp.fc2.bias": (8,),
    "stages.0.norm.weight": (8,),
    "stages.0.norm.bias": (8,),
    "stages.1.downsample.proj.weight": (12, 8, 3, 3),
    "stages.1.downsample.proj.bias": (12,),
    "stages.1.downsample.norm.weight": (12,),
    "stages.1.downsample.norm.bias": (12,),
    "stages.1.norm.weight": (12,),
    "stages.1.norm.bias": (12,),
    "head.weight": (3, 12),
    "head.bias": (3,),
}


def test_names_and_shapes_are_those_of_timm():
    model = PyramidViT(**{**TINY, "depths": (1, 1)})
    weights = model.weights_by_path()
    shapes = {
        entry.name: entry.file_shape(tuple(weights[entry.variable].shape)) for entry in key_maps.canonical(model.config)
    }
    second = {name for name in shapes if name.startswith("stages.1.blocks.0.")}
    # The second stage has all that the first has but a reduction.
    assert second == {
        name.replace("stages.0", "stages.1")
        for name in EVERY_NAME
        if name.startswith("stages.0.blocks") and ".sr." not in name and "attn.norm" not in name
    }
    assert {name: shape for name, shape in shapes.items() if name not in second} == EVERY_NAME


def test_roles_are_as_deep_as_the_nearest_encoder_layer():
    roles = PyramidViT(**TINY).roles()
    depths = {path.split("/")[0]: role.depth for path, role in roles.items()}
    assert depths == {
        "patch_embedding": 0,
        "encoder_0": 1,
        "encoder_1": 2,
        "norm_0": 2,
        "patch_embedding_1": 3,
        "encoder_2": 3,
        "norm": 4,
        "head": 4,
    }
    assert roles["encoder_0/attention/key_value/kernel"].name == "qkv"
    assert roles["encoder_0/attention/reduction_norm/beta"].name == "norm"
