"""Layouts: each role's split, and meshes that can't split a model."""

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.training import layout_map


def mesh_of(num_data, num_model, axis_names=("data", "model")):
    # Names alone: no device is touched until a variable is made.
    return keras.distribution.DeviceMesh((num_data, num_model), axis_names, np.arange(num_data * num_model))


@pytest.fixture(scope="module")
def model():
    return keras_vit.ViT(image_size=8, patch_size=4, embed_dim=12, depth=2, num_heads=4, num_classes=3)


def axes(layouts, path):
    layout = layouts[path]
    return None if layout is None else layout.axes


@pytest.mark.parametrize("prefix", ["", "student/"])
def test_split_follows_roles(prefix):
    layouts = layout_map(mesh_of(2, 4))
    # Megatron: the first of a pair by columns, the second by rows.
    expected = {
        "encoder_11/attention/qkv/kernel": (None, "model"),
        "encoder_11/attention/qkv/bias": ("model",),
        "encoder_0/attention/projection/kernel": ("model", None),
        "encoder_0/attention/projection/bias": None,
        "encoder_0/mlp/expand/kernel": (None, "model"),
        "encoder_0/mlp/expand/bias": ("model",),
        "encoder_0/mlp/contract/kernel": ("model", None),
        "encoder_0/mlp/contract/bias": None,
        "encoder_0/mlp_norm/gamma": None,
        "head/logits/kernel": ("model", None),
        "head/logits/bias": None,
        "patch_embedding/kernel": None,
        "positional_encoding/table": None,
    }
    assert {path: axes(layouts, prefix + path) for path in expected} == expected


def test_layout_of_a_model_splits_what_the_general_one_does(model):
    general, own = layout_map(mesh_of(1, 2)), layout_map(mesh_of(1, 2), model)
    paths = list(model.weights_by_path())
    assert [axes(general, path) for path in paths] == [axes(own, path) for path in paths]
    # Of each encoder layer: 4 kernels and the biases of the 2 split by columns; and the head's kernel.
    assert sum(axes(own, path) is not None for path in paths) == 2 * 6 + 1


def test_queries_of_a_pyramid_are_split_beside_its_keys_and_values():
    layouts = layout_map(mesh_of(1, 2))
    for name in ("query", "key_value"):
        assert axes(layouts, f"encoder_0/attention/{name}/kernel") == (None, "model")
    assert axes(layouts, "encoder_0/attention/reduction/kernel") is None


def test_mesh_that_does_not_divide_is_explained(model):
    with pytest.raises(ValueError, match="8 devices along 'model' and num_heads=4. What divides them all is 1, 2, 4"):
        layout_map(mesh_of(1, 8), model)
    with pytest.raises(ValueError, match="needs a mesh with an axis 'model'"):
        layout_map(mesh_of(2, 4, ("batch", "tensor")))
