"""The model that ships inside the package: what it promises, and that its cards say what is true."""

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_vit
from keras_vit.models import preset_folder

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "keras_vit" / "models" / "vit" / "vit_digits"


def test_accuracy_on_the_held_out_digits_is_what_the_card_says():
    model = keras_vit.ViT.from_preset("vit_digits")

    result = keras_vit.training.evaluate(model, "digits")

    assert sum(result.num_images) == 360
    assert result.accuracy >= 0.985
    assert abs(result.accuracy - model.provenance["evaluation"]["accuracy"]) < 1e-6


def test_classify_names_digits_from_raw_pixels():
    digits = load_digits()
    pixels = np.round(digits.images[:10] * (255 / 16)).astype("uint8")

    answers = keras_vit.from_preset("vit_digits").classify(pixels[..., None], top=1)

    assert [label for ((label, _),) in answers] == [str(target) for target in digits.target[:10]]


def test_weights_are_small_and_every_one_is_accounted_for():
    model = keras_vit.ViT.from_preset("vit_digits")

    assert (FOLDER / "model.safetensors").stat().st_size < 1_000_000
    assert {row.status for row in model.load_report.rows} == {"loaded"}
    assert not model.load_report.ignored
    assert model.count_params() == keras_vit.list_presets("vit_digits")[0].parameters


def test_cards_are_those_that_the_model_itself_would_write(monkeypatch):
    model = keras_vit.ViT.from_preset("vit_digits")
    written = (FOLDER / "README.md").read_text(encoding="utf-8")
    # The card names the version of Keras that wrote it, which may be older than the one here.
    (line,) = [line for line in written.splitlines() if line.startswith("| Written by")]
    monkeypatch.setattr(keras, "__version__", line.split("Keras ")[1].rstrip(" |"))

    assert preset_folder.build_card(model, "vit_digits") == written
    assert (ROOT / "model_card" / "vit_digits.md").read_text(encoding="utf-8") == written
    assert "license: mit" in written
    assert "five_seeds" in model.provenance["evaluation"]


@pytest.mark.slow
def test_measured_accuracy_is_forgotten_when_weights_change(rng):
    changed = keras_vit.ViT.from_preset("vit_digits", num_classes=3)
    trained = keras_vit.ViT.from_preset("vit_digits")
    trained.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trained.fit(rng.normal(size=(2, 8, 8, 1)).astype("float32"), np.array([0, 1]), verbose=0)

    for model in (changed, trained):
        assert model.provenance == {"license": "mit"}
