"""Canonical names of EVA's weights: timm's, of whichever spelling."""

import numpy as np
import pytest

from keras_vit import EVA, checkpoints, from_preset
from keras_vit.models.eva import key_maps
from keras_vit.models.eva.key_maps import Spelling
from tests.models.eva.configs import ALL, TINY

# By hand, from timm's Eva(depth=1, num_reg_tokens=2, use_rot_pos_emb=True, rope_type="dinov3", init_values=0.1).
DINOV3 = {
    "cls_token": (1, 1, 16),
    "reg_token": (1, 2, 16),
    "patch_embed.proj.weight": (16, 3, 4, 4),
    "patch_embed.proj.bias": (16,),
    "blocks.0.gamma_1": (16,),
    "blocks.0.gamma_2": (16,),
    "blocks.0.norm1.weight": (16,),
    "blocks.0.norm1.bias": (16,),
    "blocks.0.attn.q_bias": (16,),
    "blocks.0.attn.v_bias": (16,),
    "blocks.0.attn.qkv.weight": (48, 16),
    "blocks.0.attn.proj.weight": (16, 16),
    "blocks.0.attn.proj.bias": (16,),
    "blocks.0.norm2.weight": (16,),
    "blocks.0.norm2.bias": (16,),
    "blocks.0.mlp.fc1.weight": (32, 16),
    "blocks.0.mlp.fc1.bias": (32,),
    "blocks.0.mlp.fc2.weight": (16, 32),
    "blocks.0.mlp.fc2.bias": (16,),
    "norm.weight": (16,),
    "norm.bias": (16,),
    "head.weight": (3, 16),
    "head.bias": (3,),
}


def shapes_of(model, spelling=None):
    weights, shapes = model.weights_by_path(), {}
    for entry in key_maps.canonical(model.config, spelling):
        shapes |= dict.fromkeys(entry.names, entry.file_shape(tuple(weights[entry.variable].shape)))
    return shapes


def test_names_and_shapes_are_those_of_timm():
    assert shapes_of(EVA(**{**TINY, **ALL["dinov3"], "depth": 1})) == DINOV3


def test_eva02_has_queries_keys_values_and_gates_apart():
    shapes = shapes_of(EVA(**{**TINY, **ALL["eva02_clip"], "depth": 1}))
    block = {name.removeprefix("blocks.0."): shape for name, shape in shapes.items() if name.startswith("blocks.0.")}
    assert {name: shape for name, shape in block.items() if "norm1" not in name and "norm2" not in name} == {
        **{f"attn.{letter}_proj.weight": (16, 16) for letter in "qkv"},
        **{f"attn.{letter}_proj.bias": (16,) for letter in "qv"},
        **{f"attn.norm.{kind}": (16,) for kind in ("weight", "bias")},
        "attn.proj.weight": (16, 16),
        "attn.proj.bias": (16,),
        **{f"mlp.fc1_{letter}.weight": (32, 16) for letter in "gx"},
        **{f"mlp.fc1_{letter}.bias": (32,) for letter in "gx"},
        **{f"mlp.norm.{kind}": (32,) for kind in ("weight", "bias")},
        "mlp.fc2.weight": (16, 32),
        "mlp.fc2.bias": (16,),
    }


def test_shared_keys_are_narrower():
    shapes = shapes_of(EVA(**{**TINY, **ALL["sapiens2"]}))
    widths = [shapes[f"blocks.{index}.attn.{letter}_proj.weight"][0] for index in range(2) for letter in "qkv"]
    assert widths == [16, 16, 16, 16, 8, 8]
    assert "blocks.1.gamma_1" in shapes
    assert "blocks.1.gamma_2" not in shapes


def test_learned_frequencies_are_one_tensor():
    assert shapes_of(EVA(**{**TINY, **ALL["rope_mixed"]}))["rope.freqs"] == (2, 2, 2, 4)


@pytest.mark.parametrize("name", ["eva02", "dinov3_plus", "pe_core"])
@pytest.mark.parametrize("has_split", [False, True])
def test_every_spelling_of_a_file_is_read(name, has_split, randomise, tmp_path):
    model = EVA(**{**TINY, **ALL[name]})
    randomise(model)
    folder = model.save_to_preset(tmp_path / "model")
    spelling = Spelling(has_split_qkv=has_split, has_split_gate=has_split and model.config.mlp == "swiglu")
    entries = key_maps.canonical(model.config, spelling)
    checkpoints.write(folder / "model.safetensors", checkpoints.collect(model.weights_by_path(), entries))
    for found, weight in zip(from_preset(folder).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)


def test_what_pretraining_alone_needs_is_left_out(randomise, tmp_path):
    model = EVA(**TINY, num_register_tokens=1)
    randomise(model)
    folder = model.save_to_preset(tmp_path / "model")
    entries = key_maps.canonical(model.config)
    tensors = checkpoints.collect(model.weights_by_path(), entries)
    for kind in ("weight", "bias"):
        tensors[f"norm.{kind}"] = tensors.pop(f"fc_norm.{kind}")
    places = np.random.default_rng(1).normal(size=(1, 2, 16)).astype("float32")
    tensors["pos_embed"] = np.concatenate([places, tensors["pos_embed"]], axis=1)  # of class token and register
    unused = {"mask_token": (1, 1, 16), "lm_head.bias": (4,), "rope.freqs_sin": (6, 8)}
    checkpoints.write(folder / "model.safetensors", tensors | {name: np.zeros(shape) for name, shape in unused.items()})

    again = from_preset(folder)

    assert set(again.load_report.ignored) == set(unused)
    expected = {path: np.array(weight.numpy()) for path, weight in model.weights_by_path().items()}
    expected["prefix_tokens/class_token"] += places[0, :1]
    expected["prefix_tokens/register_tokens"] += places[0, 1:]
    for path, weight in again.weights_by_path().items():
        np.testing.assert_array_equal(weight.numpy(), expected[path])
