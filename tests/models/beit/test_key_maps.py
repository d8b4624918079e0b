"""Canonical names of BEiT's weights: timm's, with biases of each layer or of all."""

import numpy as np

from keras_vit import BEiT, checkpoints, from_preset
from keras_vit.models.beit import key_maps
from tests.models.beit.configs import TINY

# By hand, from timm's Beit(depth=1, use_rel_pos_bias=True, init_values=0.1).
EVERY_NAME = {
    "cls_token": (1, 1, 8),
    "pos_embed": (1, 7, 8),
    "patch_embed.proj.weight": (8, 3, 4, 4),
    "patch_embed.proj.bias": (8,),
    "blocks.0.gamma_1": (8,),
    "blocks.0.gamma_2": (8,),
    "blocks.0.norm1.weight": (8,),
    "blocks.0.norm1.bias": (8,),
    "blocks.0.attn.q_bias": (8,),
    "blocks.0.attn.v_bias": (8,),
    "blocks.0.attn.relative_position_bias_table": (18, 2),
    "blocks.0.attn.qkv.weight": (24, 8),
    "blocks.0.attn.proj.weight": (8, 8),
    "blocks.0.attn.proj.bias": (8,),
    "blocks.0.norm2.weight": (8,),
    "blocks.0.norm2.bias": (8,),
    "blocks.0.mlp.fc1.weight": (16, 8),
    "blocks.0.mlp.fc1.bias": (16,),
    "blocks.0.mlp.fc2.weight": (8, 16),
    "blocks.0.mlp.fc2.bias": (8,),
    "fc_norm.weight": (8,),
    "fc_norm.bias": (8,),
    "head.weight": (3, 8),
    "head.bias": (3,),
}


def test_names_and_shapes_are_those_of_timm():
    model = BEiT(**{**TINY, "depth": 1}, positional_encoding="learned")
    weights = model.weights_by_path()
    shapes = {}
    for entry in key_maps.canonical(model.config):
        shapes |= dict.fromkeys(entry.names, entry.file_shape(tuple(weights[entry.variable].shape)))
    assert shapes == EVERY_NAME


def test_biases_of_all_layers_are_copied_to_each(randomise, tmp_path):
    model = BEiT(**TINY)
    randomise(model)
    folder = model.save_to_preset(tmp_path / "model")
    with checkpoints.open_weights(folder / "model.safetensors") as file:
        tensors = {name: np.array(file[name]) for name in file}
    tables = [tensors.pop(f"blocks.{index}.attn.relative_position_bias_table") for index in range(2)]
    tensors["rel_pos_bias.relative_position_bias_table"] = tables[0]
    tensors["blocks.0.attn.relative_position_index"] = np.zeros((7, 7), "int64")  # in older files
    checkpoints.write(folder / "model.safetensors", tensors)

    again = from_preset(folder)

    for index in range(2):
        table = again.get_layer(f"encoder_{index}").attention.position_bias.table
        np.testing.assert_array_equal(table.numpy(), tables[0])
    assert list(again.load_report.ignored) == ["blocks.0.attn.relative_position_index"]
