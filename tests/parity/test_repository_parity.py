"""What is published loads in live timm and transformers from the local hub, with Keras' files beside, and is equal."""

import json

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
