"""What is published loads in live timm and transformers from the local hub, with Keras' files beside, and is equal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_vit
from tests.models.vit.configs import SHARED, TINY

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

pytestmark = pytest.mark.parity

# What a folder says to timm alone differs most here.
NAMES = ["plain", "mean", "registers", "distillation", "swiglu", "attention_pooling", "without_head"]
BACKENDS = ["tensorflow", "jax", "torch"]
LABELS = ["ant", "bee", "cat"]
PREPROCESSING = keras_vit.Preprocessing(
    image_size=(8, 12),
    mean=(0.1, 0.2, 0.3),
    std=(0.4, 0.5, 0.6),
    crop_fraction=0.8,
    crop_mode="squash",
    interpolation="bilinear",
)


@pytest.fixture(params=NAMES)
def model(request, randomise):
    fields = {**TINY, **SHARED[request.param]}
    model = keras_vit.ViT(**fields, labels=LABELS if fields["num_classes"] else None, preprocessing=PREPROCESSING)
    randomise(model)
    return model


@pytest.fixture
def published(model, hub_server):
    """The name of the model's repository."""
    model.push_to_hub("me/vit", token="hf_me", endpoint=hub_server.endpoint)
    return "me/vit"


@pytest.fixture
def folder(model, tmp_path):
    return model.push_to_hub("me/vit", dry_run=tmp_path / "look")


def images_for(model) -> np.ndarray:
    shape = (2, *model.config.image_size, model.config.in_channels)
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def assert_equal(model, theirs) -> None:
    """Within 1e-4 of the largest value."""
    images = images_for(model)
    with torch.no_grad():
        outputs = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    outputs = getattr(outputs, "logits", outputs).numpy()
    ours = model.predict(images, verbose=0)
    assert ours.shape == outputs.shape
    assert np.abs(ours - outputs).max() <= 1e-4 * np.abs(outputs).max()


def test_timm_loads_a_repository(model, published):
    assert_equal(model, timm.create_model(f"hf-hub:{published}", pretrained=True).eval())


def test_timm_loads_a_folder(model, folder):
    assert_equal(model, timm.create_model(f"local-dir:{folder}", pretrained=True).eval())


@pytest.mark.parametrize("place", ["published", "folder"])
def test_transformers_loads_through_timm(model, place, request):
    transformers = pytest.importorskip("transformers")
    name = str(request.getfixturevalue(place))
    if not model.config.num_classes:
        pytest.skip("a model without a head classifies nothing")
    theirs = transformers.AutoModelForImageClassification.from_pretrained(name).eval()
    assert_equal(model, theirs)
    assert [theirs.config.id2label[index] for index in range(3)] == LABELS


def test_timm_reads_the_preprocessing(model, folder):
    settings = timm.data.resolve_model_data_config(timm.create_model(f"local-dir:{folder}", pretrained=True))
    assert tuple(settings["input_size"]) == (3, 8, 12)
    assert (list(settings["mean"]), list(settings["std"])) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    assert (settings["crop_pct"], settings["crop_mode"], settings["interpolation"]) == (0.8, "squash", "bilinear")


def test_keras_loads_the_same_folder(model, folder):
    images = images_for(model)
    loaded = keras.saving.load_model(folder)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    assert "num_classes" not in json.loads((folder / "config.json").read_text())["model_args"]


def test_the_card_is_what_the_hub_client_reads(folder):
    from huggingface_hub import ModelCard

    card = ModelCard.load(folder / "README.md")
    assert (card.data.library_name, card.data.license) == ("keras", "mit")
    assert {"vision-transformer", "computer-vision"} <= set(card.data.tags)


# Fresh processes: one publishes, one on each backend loads, by the public calls and by the command line.

PUSH = """
import sys
import keras_vit
print(keras_vit.from_preset(sys.argv[1]).push_to_hub("me/vit", private=True))
"""

PREDICT = """
import sys
import keras_vit, numpy
model = keras_vit.from_preset(sys.argv[1])
print(model.verify())
numpy.save(sys.argv[3], model.predict(numpy.load(sys.argv[2]), verbose=0))
"""


@pytest.fixture
def mine(randomise, tmp_path, hub_server, monkeypatch):
    """A model, also as a folder, with images; processes are logged in to the local hub."""
    monkeypatch.setenv("HF_TOKEN", "hf_me")
    model = keras_vit.ViT(**TINY, labels=LABELS, preprocessing=PREPROCESSING)
    randomise(model)
    np.save(tmp_path / "images.npy", images_for(model))
    model.save_to_preset(tmp_path / "mine")
    return model


def predict(run_python, place, folder: Path, backend: str) -> np.ndarray:
    said = run_python(PREDICT, place, folder / "images.npy", folder / f"{backend}.npy", backend=backend)
    assert "verified in float32" in said
    return np.load(folder / f"{backend}.npy")


def command(*arguments: object, backend: str) -> str:
    """Runs `keras-vit` in a fresh process."""
    process = subprocess.run(
        [Path(sys.executable).with_name("keras-vit"), *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_what_one_backend_publishes_all_load(mine, hub_server, run_python, tmp_path):
    assert "published: " in run_python(PUSH, tmp_path / "mine")
    assert hub_server.repositories["me/vit"].private
    expected = mine.predict(images_for(mine), verbose=0)
    for backend in BACKENDS:
        logits = predict(run_python, "me/vit", tmp_path, backend)
        assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


def test_what_the_command_line_publishes_it_fetches_on_every_backend(mine, tmp_path):
    said = command("push", tmp_path / "mine", "me/vit", "--private", backend=keras.config.backend())
    assert said.startswith("published: ")
    expected = mine.predict(images_for(mine), verbose=0)
    for backend in BACKENDS:
        folder = tmp_path / f"pulled_on_{backend}"
        assert f"written: {folder}" in command("pull", "me/vit", folder, backend=backend)
        pulled = keras_vit.from_preset(folder)
        assert str(pulled.verify()).startswith("verified in float32")  # as the backend that fetched it recorded
        np.testing.assert_array_equal(pulled.predict(images_for(mine), verbose=0), expected)
