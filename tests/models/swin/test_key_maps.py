"""Canonical names of Swin: one for each weight, timm's."""

from keras_vit import Swin
from keras_vit.models.shifted_windows.names import ORIGINAL, explain_buffers
from keras_vit.models.swin import key_maps
from tests.models.swin.configs import TINY

# By hand, from timm's SwinTransformer(depths=(1, 1), embed_dim=8, num_heads=(1, 2), window_size=4, patch_size=2).
BLOCKS = {
    f"layers.{stage}.{name}": shape
    for stage, width, num_heads in ((0, 8, 1), (1, 16, 2))
    for name, shape in {
        "blocks.0.norm1.weight": (width,),
        "blocks.0.norm1.bias": (width,),
        "blocks.0.attn.qkv.weight": (3 * width, width),
        "blocks.0.attn.qkv.bias": (3 * width,),
        "blocks.0.attn.relative_position_bias_table": (49, num_heads),
        "blocks.0.attn.proj.weight": (width, width),
        "blocks.0.attn.proj.bias": (width,),
        "blocks.0.norm2.weight": (width,),
        "blocks.0.norm2.bias": (width,),
        "blocks.0.mlp.fc1.weight": (2 * width, width),
        "blocks.0.mlp.fc1.bias": (2 * width,),
        "blocks.0.mlp.fc2.weight": (width, 2 * width),
        "blocks.0.mlp.fc2.bias": (width,),
    }.items()
}
EVERY_NAME = {
    "patch_embed.proj.weight": (8, 3, 2, 2),
    "patch_embed.proj.bias": (8,),
    "patch_embed.norm.weight": (8,),
    "patch_embed.norm.bias": (8,),
    "layers.1.downsample.norm.weight": (32,),
    "layers.1.downsample.norm.bias": (32,),
    "layers.1.downsample.reduction.weight": (16, 32),
    **BLOCKS,
    "norm.weight": (16,),
    "norm.bias": (16,),
    "head.fc.weight": (3, 16),
    "head.fc.bias": (3,),
}


def test_names_and_shapes_are_those_of_timm():
    model = Swin(**{**TINY, "depths": (1, 1)})
    weights = model.weights_by_path()
    shapes = {
        entry.name: entry.transform.file_shape(tuple(weights[entry.variable].shape))
        for entry in key_maps.canonical(model.config)
    }
    assert shapes == EVERY_NAME


def test_the_authors_name_merging_after_the_stage_before():
    model = Swin(**TINY)
    names = {entry.name for entry in key_maps.canonical(model.config, ORIGINAL)}
    assert {"layers.0.downsample.reduction.weight", "head.weight"} < names
    assert not {"layers.1.downsample.reduction.weight", "head.fc.weight"} & names


def test_what_follows_from_the_settings_is_ignored_with_the_reason():
    names = ["layers.0.blocks.1.attn_mask", "norm.weight", "layers.0.blocks.0.attn.relative_position_index"]
    assert explain_buffers(names) == {
        "layers.0.blocks.1.attn_mask": "hides what the shift brought together, which follows from the image size",
        "layers.0.blocks.0.attn.relative_position_index": "numbers of the offsets, which follow from the window",
    }
