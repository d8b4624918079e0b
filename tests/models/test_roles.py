"""Roles: one for every variable, and selection by them."""

import pytest

from keras_vit import ViT
from keras_vit.models.roles import ROLES, Role
from tests.models.vit.configs import TINY

# By hand, from what each layer does; biases go with their kernels.
EVERY_ROLE = {
    "patch_embedding/kernel": Role("patch", 0),
    "positional_encoding/table": Role("position", 0),
    "prefix_tokens/class_token": Role("prefix", 0),
    "prefix_tokens/register_tokens": Role("prefix", 0),
    "encoder_0/attention_norm/gamma": Role("norm", 1),
    "encoder_0/attention/qkv/kernel": Role("qkv", 1),
    "encoder_0/attention/qkv/bias": Role("qkv", 1),
    "encoder_1/attention/projection/kernel": Role("projection", 2),
    "encoder_1/attention_scale/factors": Role("layer_scale", 2),
    "encoder_1/mlp/expand/kernel": Role("mlp", 2),
    "encoder_1/mlp/contract/bias": Role("mlp", 2),
    "norm/beta": Role("norm", 3),
    "head/logits/kernel": Role("head", 3),
}


@pytest.fixture
def model():
    return ViT(**TINY, num_register_tokens=1, layer_scale_init=0.1)


def test_a_variable_has_the_role_of_its_layer_and_its_depth(model):
    roles = model.roles()

    assert {path: roles[path] for path in EVERY_ROLE} == EVERY_ROLE
    assert {role.name for role in roles.values()} == set(ROLES)


def test_a_variable_without_a_role_is_an_error(model, monkeypatch):
    table = model.variable_roles(model.config)
    del table["norm"]
    monkeypatch.setattr(ViT, "variable_roles", staticmethod(lambda config: table))

    with pytest.raises(ValueError, match="ViT needs one role for each variable; norm/gamma, norm/beta has none"):
        model.roles()


def test_weights_are_selected_by_role_and_depth(model):
    weights = model.weights_by_path()

    found = model.select_weights("qkv", "prefix", depths=(0, 2))

    assert list(found) == [
        "prefix_tokens/class_token",
        "prefix_tokens/register_tokens",
        "encoder_1/attention/qkv/kernel",
        "encoder_1/attention/qkv/bias",
    ]
    assert all(weights[path] is variable for path, variable in found.items())
    assert model.select_weights().keys() == weights.keys()
    assert {path.split("/")[0] for path in model.select_weights(depths=3)} == {"norm", "head"}


def test_a_role_or_depth_that_matches_nothing_is_refused():
    model = ViT(**TINY)
    with pytest.raises(ValueError, match=r"needs roles of this model, patch, .*, norm, head; got 'layer_scale', 'qvk'"):
        model.select_weights("layer_scale", "qvk", "mlp")
    with pytest.raises(ValueError, match=r"select_weights needs depths from 0 to 3; got \[4, 7\]"):
        model.select_weights("qkv", depths=(1, 4, 7))
    with pytest.raises(ValueError, match=r"needs roles that there are at these depths; got qkv at \[0\]"):
        model.select_weights("qkv", depths=0)
