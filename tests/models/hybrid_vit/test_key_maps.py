"""The names of hybrids' weights in files, as timm's source has them."""

import numpy as np

from keras_vit import HybridViT, HybridViTConfig, from_preset
from keras_vit.checkpoints import open_weights, write
from keras_vit.models.hybrid_vit import key_maps
from tests.models.hybrid_vit.configs import ALL, TINY


def names_of(fields):
    entries = key_maps.canonical(HybridViTConfig(**{**TINY, **fields}))
    return {entry.variable: entry.name for entry in entries}


def test_a_root_alone_is_the_backbone_itself():
    names = names_of({})
    assert names["stem/root_conv/kernel"] == "patch_embed.backbone.conv.weight"
    assert names["stem/root_norm/beta"] == "patch_embed.backbone.norm.bias"
    assert names["patch_embedding/kernel"] == "patch_embed.proj.weight"


def test_stages_and_their_shortcuts_have_timms_names():
    names = names_of(ALL["two_stages"])
    assert names["stem/root_conv/kernel"] == "patch_embed.backbone.stem.conv.weight"
    assert names["stem/stage_0_1/conv_2/kernel"] == "patch_embed.backbone.stages.0.blocks.1.conv2.weight"
    assert (
        names["stem/stage_1_0/shortcut_norm/gamma"] == "patch_embed.backbone.stages.1.blocks.0.downsample.norm.weight"
    )
    assert "stem/stage_0_1/shortcut_conv/kernel" not in names


def test_the_last_of_mobileclips_convolutions_makes_the_tokens():
    names = names_of(ALL["convolutions"])
    assert names["stem/norm_1/moving_variance"] == "patch_embed.backbone.1.bn.running_var"
    assert names["patch_embedding/kernel"] == "patch_embed.backbone.2.conv.weight"


def test_counters_of_batches_are_ignored_with_the_reason(tmp_path):
    folder = HybridViT(**{**TINY, **ALL["convolutions"]}).save_to_preset(tmp_path / "mine")
    with open_weights(folder / "model.safetensors") as tensors:
        arrays = {name: tensors[name] for name in tensors}
    name = "patch_embed.backbone.0.bn.num_batches_tracked"
    write(folder / "model.safetensors", {**arrays, name: np.array(7, "int64")})
    assert "PyTorch reads only where batch norm has no momentum" in from_preset(folder).load_report.ignored[name]
