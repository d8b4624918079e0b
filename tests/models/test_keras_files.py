"""Keras' own files: after `import keras_vit`, stock Keras loads a preset folder, and gets the same model."""

import json

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import ViT, hub
from keras_vit.preprocessing import Preprocessing
from tests.models.vit.configs import ALL, TINY
from tests.sampling import sample


@pytest.fixture
def model(randomise):
    model = ViT(
        **TINY,
        labels=["ant", "bee", "cat"],
        preprocessing=Preprocessing(image_size=(8, 12), mean=(0.4,), std=(0.3,)),
        provenance={"license": "mit", "training": {"epochs": 3}},
    )
    randomise(model)
    return model


@pytest.fixture
def folder(model, tmp_path):
    return model.save_to_preset(tmp_path / "mine", keras_files=True)


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())


def assert_equal_weights(loaded, model):
    theirs, ours = loaded.weights_by_path(), model.weights_by_path()
    assert theirs.keys() == ours.keys()
    for path, weight in ours.items():
        np.testing.assert_array_equal(ops.convert_to_numpy(theirs[path].value), ops.convert_to_numpy(weight.value))


def test_the_folder_holds_our_files_and_keras_own(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"LICENSE", "README.md", "config.json", "metadata.json", "model.safetensors", "model.weights.h5"}
    assert "library_name: keras\n" in (folder / "README.md").read_text()
    assert hub.check_card(folder) == []


def test_keras_loads_the_model_with_all_that_belongs_to_it(folder, model, rng):
    loaded = keras.saving.load_model(folder)

    images = rng.normal(size=(2, 8, 12, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    assert type(loaded) is ViT
    assert loaded.get_config() == model.get_config()
    assert loaded.labels == ("ant", "bee", "cat")
    assert_equal_weights(loaded, model)


@pytest.mark.parametrize("name", sample(ALL, 6))
def test_keras_loads_every_kind_of_weight(tmp_path, randomise, name):
    model = ViT(**{**TINY, **ALL[name]})
    randomise(model)
    assert_equal_weights(keras.saving.load_model(model.save_to_preset(tmp_path / "mine", keras_files=True)), model)


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16"])
def test_keras_keeps_the_dtype(tmp_path, dtype):
    model = ViT(**TINY, dtype=dtype)
    loaded = keras.saving.load_model(model.save_to_preset(tmp_path / "mine", keras_files=True))
    assert loaded.dtype_policy.name == dtype
    assert {weight.dtype for weight in loaded.weights} == {weight.dtype for weight in model.weights}
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        ours, theirs = (ops.convert_to_numpy(ops.cast(weight.value, "float32")) for weight in (ours, theirs))
        np.testing.assert_array_equal(theirs, ours)


def test_keras_keeps_what_is_frozen(tmp_path, model):
    model.get_layer("encoder_0").trainable = False
    loaded = keras.saving.load_model(model.save_to_preset(tmp_path / "mine", keras_files=True))
    assert not loaded.get_layer("encoder_0").trainable
    assert loaded.get_layer("encoder_1").trainable


def test_how_training_saves_memory_is_left_out(tmp_path):
    folder = ViT(**TINY, remat=True).save_to_preset(tmp_path / "mine", keras_files=True)
    assert "remat" not in (folder / "config.json").read_text()
    assert not keras.saving.load_model(folder).remat


@pytest.mark.slow
def test_what_the_training_needed_is_left_out(tmp_path, model, rng):
    images, labels = rng.normal(size=(4, 8, 12, 3)).astype("float32"), np.array([0, 1, 2, 0])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(images, labels, verbose=0)

    folder = model.save_to_preset(tmp_path / "mine", keras_files=True)

    with h5py.File(folder / "model.weights.h5") as file:
        names = []
        file.visit(names.append)
    assert not [name for name in names if "optimizer" in name or "metric" in name or "loss" in name]
    loaded = keras.saving.load_model(folder)
    assert not loaded.compiled
    assert_equal_weights(loaded, model)


def test_ours_reads_the_same_folder(folder, model):
    loaded = ViT.from_preset(folder)
    assert_equal_weights(loaded, model)
    assert loaded.provenance == model.provenance
    assert str(loaded.load_report).startswith(str(folder / "model.safetensors"))


def test_one_config_serves_all(folder, model, tmp_path):
    ours = settings_of(model.save_to_preset(tmp_path / "plain"))
    keys = ("module", "class_name", "config", "registered_name", "build_config", "compile_config")

    shared = settings_of(folder)

    assert {name: value for name, value in shared.items() if name not in keys} == ours
    assert shared["registered_name"] == "keras_vit>ViT"
    assert shared["compile_config"] is None
    assert "num_classes" not in shared["model_args"]  # transformers passes it itself


def test_the_metadata_name_the_version_of_keras(folder):
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["keras_version"] == keras.__version__
    assert set(metadata) == {"keras_version", "date_saved"}


def test_a_later_save_without_them_removes_them(folder, model):
    model.save_to_preset(folder)
    assert not (folder / "model.weights.h5").exists()
    assert "registered_name" not in settings_of(folder)
    assert "library_name: keras_vit" in (folder / "README.md").read_text()
