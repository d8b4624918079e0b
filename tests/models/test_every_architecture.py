"""What every architecture of the catalogue can do, whatever it computes; `configs.py` of its tests has the sizes."""

import dataclasses
import importlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import from_preset
from keras_vit.models import catalogue
from keras_vit.models.roles import ROLES
from keras_vit.models.source import canonical_layout
from keras_vit.training import layout_map
from tests.sampling import sample

IS_JAX = keras.backend.backend() == "jax"  # which is slow where it does not compile


def configs_of(architecture):
    folder = catalogue.ARCHITECTURES[architecture].rpartition(".")[2]
    return importlib.import_module(f"tests.models.{folder}.configs")


@pytest.fixture(params=catalogue.ARCHITECTURES)
def architecture(request):
    return request.param


@pytest.fixture
def make(architecture, randomise):
    """Builds the tiny model with every parameter random."""

    def build(dtype=None, remat=False, **changes):
        fields = {**configs_of(architecture).TINY, **changes}
        model = catalogue.model_class(architecture)(**fields, dtype=dtype, remat=remat)
        randomise(model)
        return model

    return build


def images_for(model, batch=2, size=None):
    height, width = size or model.config.usual_size
    return np.random.default_rng(1).normal(size=(batch, height, width, model.config.in_channels)).astype("float32")


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def every_variant():
    for architecture in catalogue.ARCHITECTURES:
        configs = configs_of(architecture)
        for name, changes in configs.ALL.items():
            yield pytest.param(architecture, {**configs.TINY, **changes}, id=f"{architecture}-{name}")


# Tables that know every variable.


@pytest.mark.parametrize(("architecture", "fields"), sample(every_variant(), 5))
def test_every_variable_has_one_canonical_name_and_one_role(architecture, fields):
    model = catalogue.model_class(architecture)(**fields)
    config, entries = model.config, model.canonical_entries(model.config)
    assert sorted(entry.variable for entry in entries) == sorted(model.weights_by_path())
    whole = [name for entry in entries if not entry.transform.is_part for name in entry.names]
    parts = {name for entry in entries if entry.transform.is_part for name in entry.names}
    assert len({*whole, *parts}) == len(whole) + len(parts)
    roles = model.roles()
    assert roles.keys() == model.weights_by_path().keys()
    assert {role.name for role in roles.values()} <= set(ROLES)
    assert {role.depth for role in roles.values()} <= set(range(config.depth + 2))
    encoders = [layer.name for layer in model.layers if layer.name.startswith("encoder_")]
    assert encoders == [f"encoder_{index}" for index in range(config.depth)]


def test_a_rough_count_of_weights_is_near_the_true_one(make):
    model = make()
    true = model.count_params()
    assert true / 2 <= model.count_weights(model.config) <= 2 * true
    assert model.count_macs(model.config, model.config.usual_size) > 0


def test_the_model_axis_of_a_mesh_needs_to_divide_it(make):
    model = make()
    shape = (1, max(model.config.divided_sizes.values()) + 1)
    mesh = keras.distribution.DeviceMesh(shape, ("data", "model"), devices=["cpu:0"] * shape[1])
    with pytest.raises(ValueError, match="A mesh needs a model axis that divides"):
        layout_map(mesh, model)


# Calls.


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="only PyTorch calls layers directly")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_layers_called_directly_return_what_they_do_by_keras(make, dtype, training):
    model = make(dtype=dtype)
    images = images_for(model)

    by_keras = keras.Model(model.input, model.output)  # a model of Keras' own: every layer goes by Keras

    expected = to_numpy(by_keras(images, training=training))
    np.testing.assert_array_equal(to_numpy(model(images, training=training)), expected)


def test_every_weight_learns_without_dropout(make):
    """Then layers compute much again for gradients on TensorFlow and JAX, where a forgotten weight is a constant."""
    model = make()
    before = [to_numpy(weight) for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(images_for(model), np.arange(2))
    after = [to_numpy(weight) for weight in model.trainable_weights]
    paths = [weight.path for weight in model.trainable_weights]
    assert [path for path, *pair in zip(paths, before, after, strict=True) if np.array_equal(*pair)] == []


# Files.


def test_a_preset_folder_gives_back_the_model(make, tmp_path):
    model = make()
    images = images_for(model)
    model.save_to_preset(tmp_path / "model", certify=True)
    again = from_preset(tmp_path / "model")
    assert (type(again), again.config) == (type(model), model.config)
    np.testing.assert_allclose(to_numpy(again(images)), to_numpy(model(images)), atol=1e-6)
    assert again.verify().outputs < 1e-5
    assert {row.status for row in again.load_report.rows} == {"loaded"}


def test_a_keras_file_gives_back_the_model(make, tmp_path):
    model = make(dtype="mixed_bfloat16", remat=True)
    images = images_for(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(to_numpy(again(images)), to_numpy(model(images)))


def test_another_head_other_channels_and_another_size_while_loading(make, tmp_path):
    model = make()
    model.save_to_preset(tmp_path / "model")
    height, width = model.config.usual_size
    bigger = (2 * height, 2 * width)
    again = from_preset(tmp_path / "model", num_classes=5, in_channels=1, image_size=bigger)
    assert (again.config.num_classes, again.config.in_channels, again.config.image_size) == (5, 1, bigger)
    outputs = to_numpy(again(images_for(again)))
    assert outputs.shape == (2, 5)
    assert np.isfinite(outputs).all()


def test_settings_for_timm_are_read_as_the_same_model(make, architecture):
    config = make().config
    settings = catalogue.model_class(architecture).timm_settings(config)
    # As in saved folders: not every class of timm has an argument for the image size.
    pretrained = {"input_size": [config.in_channels, *config.usual_size], "num_classes": config.num_classes}
    description = canonical_layout(architecture).describe({**settings, "pretrained_cfg": pretrained}, {})
    assert description.config == config


# Training.


def test_a_training_step_with_every_rate(make):
    rates = [field.name for field in dataclasses.fields(make().config) if field.name.endswith("_rate")]
    model = make(**dict.fromkeys(rates, 0.1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=IS_JAX, run_eagerly=not IS_JAX)  # a graph takes TensorFlow 8 seconds
    before = model.get_weights()
    history = model.fit(images_for(model, 8), np.arange(8) % 3, batch_size=8, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.9


def test_lora_and_freezing_leave_the_rest_as_it_is(make):
    model = make()
    model.freeze(until="encoder_0")
    assert not model.get_layer("encoder_0").trainable_weights
    assert model.get_layer("head").trainable_weights
    model.unfreeze()
    model.enable_lora(rank=2)
    assert len(model.lora["layers"]) >= model.config.depth


# Arithmetic.


# Numbers of half length keep 11 or 8 binary digits.
@pytest.mark.parametrize(("policy", "share"), [("mixed_float16", 0.02), ("mixed_bfloat16", 0.1)])
def test_half_precision_stays_close(make, policy, share):
    exact, model = make(), make(dtype=policy)
    model.set_weights(exact.get_weights())
    images = images_for(model)
    expected = to_numpy(exact(images))
    outputs = model(images)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=share * np.abs(expected).max())


def test_whole_numbers_stay_close(make):
    model = make()
    images = images_for(model)
    expected = to_numpy(model(images))
    model.quantize("int8")
    np.testing.assert_allclose(to_numpy(model(images)), expected, atol=0.1 * np.abs(expected).max())


@pytest.mark.slow
def test_repeated_computation_gives_the_same_loss(make):
    plain, saving = make(), make(remat=True)
    saving.set_weights(plain.get_weights())
    images = images_for(plain)
    for model in (plain, saving):
        model.compile("sgd", "mse", jit_compile=IS_JAX)
    losses = [float(model.train_on_batch(images, np.ones((2, 3), "float32"))) for model in (plain, saving)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
