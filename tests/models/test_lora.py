"""LoRA on the dense layers of a model: what trains, what stays, and what is saved."""

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import ViT
from tests.models.vit.configs import TINY

IS_JAX = keras.backend.backend() == "jax"


@pytest.fixture
def model(randomise):
    model = ViT(**{**TINY, "depth": 1})
    randomise(model)
    return model


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 8, 12, 3)).astype("float32")


def to_numpy(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def values(model):
    return {path: to_numpy(weight.value) for path, weight in model.weights_by_path().items()}


def train(model, images):
    model.compile("sgd", "mse", jit_compile=IS_JAX)
    for _ in range(2):  # B starts at zero, so that A moves from the second step on
        model.train_on_batch(images, np.ones((2, 3), "float32"))


def trained_paths(model):
    trainable = {id(weight) for weight in model.trainable_weights}
    return {path for path, weight in model.weights_by_path().items() if id(weight) in trainable}


def test_only_the_matrices_and_the_head_train(model, images):
    before = to_numpy(model(images))

    model.enable_lora(2, roles=("qkv", "mlp"), alpha=3)

    np.testing.assert_array_equal(to_numpy(model(images)), before)
    start = values(model)
    train(model, images)
    changed = {path for path, value in values(model).items() if (value != start[path]).any()}
    layers = ("attention/qkv", "mlp/expand", "mlp/contract")
    matrices = {f"encoder_0/{layer}/lora_kernel_{side}" for layer in layers for side in "ab"}
    assert changed == trained_paths(model) == {*matrices, "head/logits/kernel", "head/logits/bias"}


def test_a_kernel_becomes_itself_and_the_scaled_product_of_the_matrices(model, images, randomise):
    model.enable_lora(2, roles=("qkv",), alpha=3)
    randomise(model)
    weights = values(model)
    down, up = (weights[f"encoder_0/attention/qkv/lora_kernel_{side}"] for side in "ab")
    assert (down.shape, up.shape) == ((8, 2), (2, 24))

    plain = ViT(model.config)
    for path, variable in plain.weights_by_path().items():
        is_adapted = path == "encoder_0/attention/qkv/kernel"
        variable.assign(weights[path] + (3 / 2 * down @ up if is_adapted else 0))

    np.testing.assert_allclose(to_numpy(model(images)), to_numpy(plain(images)), rtol=1e-4, atol=1e-5)


def test_a_saved_model_goes_on_where_it_was(model, images, tmp_path):
    model.enable_lora(2, alpha=3)
    train(model, images)
    model.save(tmp_path / "model.keras")

    again = keras.saving.load_model(tmp_path / "model.keras")

    assert again.get_config() == model.get_config()
    assert trained_paths(again) == trained_paths(model)
    for path, value in values(again).items():
        np.testing.assert_array_equal(value, values(model)[path], err_msg=path)
    np.testing.assert_array_equal(to_numpy(again(images)), to_numpy(model(images)))


def test_a_preset_holds_the_merged_model(model, images, randomise, tmp_path):
    model.enable_lora(2, roles=("qkv", "projection"))
    randomise(model)

    again = keras_vit.from_preset(model.save_to_preset(tmp_path / "merged"))

    assert again.lora is None
    np.testing.assert_allclose(to_numpy(again(images)), to_numpy(model(images)), rtol=1e-4, atol=1e-5)


def test_weights_of_a_base_loaded_into_an_adapted_model_leave_the_matrices_able_to_train(model, images, tmp_path):
    model.save_weights(tmp_path / "base.weights.h5")
    model.enable_lora(2)

    model.load_weights(tmp_path / "base.weights.h5")

    assert np.any(values(model)["encoder_0/attention/qkv/lora_kernel_a"])
    assert not np.any(values(model)["encoder_0/attention/qkv/lora_kernel_b"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 0}, "enable_lora needs rank >= 1, a whole number; got rank=0"),
        ({"rank": 2, "alpha": 0}, "enable_lora needs alpha > 0; got alpha=0"),
        ({"rank": 2, "roles": ("qvk",)}, "enable_lora needs roles of this model, .*; got 'qvk'"),
        ({"rank": 2, "roles": ("qkv", "norm")}, "needs roles of dense layers, mlp, projection, qkv; got 'norm'"),
        ({"rank": 2, "roles": ("head",)}, "enable_lora needs roles other than the head, which trains as a whole"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_before_anything_changes(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.enable_lora(**arguments)

    assert model.lora is None
    assert len(model.trainable_weights) == len(model.weights)


def test_lora_is_refused_on_a_frozen_or_adapted_model(model):
    model.freeze(until="patch_embedding")
    with pytest.raises(ValueError, match=r"needs a model without frozen layers.*patch_embedding is frozen"):
        model.enable_lora(2)
    model.unfreeze()
    model.enable_lora(2)
    with pytest.raises(ValueError, match="enable_lora needs a model without LoRA; this one has it, with rank 2"):
        model.enable_lora(4)


def test_freezing_is_refused_on_an_adapted_model(model):
    model.enable_lora(2)
    for change in (model.freeze, model.unfreeze):
        with pytest.raises(ValueError, match="freeze needs a model without LoRA"):
            change()


def test_the_matrices_have_the_role_and_depth_of_their_layer(model):
    model.enable_lora(2)
    assert model.roles()["encoder_0/attention/qkv/lora_kernel_a"] == keras_vit.models.Role("qkv", 1)
