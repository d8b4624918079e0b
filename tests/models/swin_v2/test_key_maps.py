"""Canonical names of SwinV2: one for each weight, timm's."""

from keras_vit import SwinV2
from keras_vit.models.swin_v2 import key_maps
from tests.models.swin_v2.configs import TINY

# By hand, from timm's SwinTransformerV2; what differs from version 1.
ATTENTION = {
    "layers.0.blocks.0.attn.qkv.weight": (24, 8),
    "layers.0.blocks.0.attn.q_bias": (8,),
    "layers.0.blocks.0.attn.v_bias": (8,),
    "layers.0.blocks.0.attn.logit_scale": (1, 1, 1),
    "layers.0.blocks.0.attn.cpb_mlp.0.weight": (512, 2),
    "layers.0.blocks.0.attn.cpb_mlp.0.bias": (512,),
    "layers.0.blocks.0.attn.cpb_mlp.2.weight": (1, 512),
    "layers.0.blocks.0.attn.proj.weight": (8, 8),
    "layers.0.blocks.0.attn.proj.bias": (8,),
}


def test_names_and_shapes_are_those_of_timm():
    model = SwinV2(**TINY)
    weights = model.weights_by_path()
    shapes = {
        entry.name: entry.transform.file_shape(tuple(weights[entry.variable].shape))
        for entry in key_maps.canonical(model.config)
    }
    assert {name: shape for name, shape in shapes.items() if name.startswith("layers.0.blocks.0.attn.")} == ATTENTION
    assert shapes["layers.1.downsample.norm.weight"] == (16,)  # behind the projection


def test_queries_and_values_lose_their_biases_together():
    names = {entry.name for entry in key_maps.canonical(SwinV2(**TINY, use_qkv_bias=False).config)}
    assert not {name for name in names if name.endswith(("q_bias", "v_bias", "qkv.bias"))}
