"""What a model's card says: from its config, its history and the catalogue; its examples run."""

import csv
import json
import re

import keras
import numpy as np
import pytest
from PIL import Image

from keras_vit import ViT, from_preset, hub
from keras_vit.models import preset_folder
from keras_vit.models.vit.presets import TABLES
from tests.hub.records import code_of, metadata_of
from tests.models.vit.configs import TINY

NAME = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
SOURCE = {"repo_id": f"timm/{NAME}", "revision": "a" * 40}
APACHE = {"license": "apache-2.0", "source": SOURCE}
PNG = b"\x89PNG of curves"


def make_model(**changes):
    """A model that is small in every way but the image size, which the reported figures belong to."""
    return ViT(**{**TINY, "image_size": 224, "patch_size": 112, **changes})


def fit(model):
    images = np.random.default_rng(0).normal(size=(2, *model.config.image_size, 3)).astype("float32")
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, np.array([0, 1]), verbose=0)


def card_of(model):
    return preset_folder.build_card(model, "mine")


# Facts.


def test_figures_of_the_source_are_reported_for_its_own_weights():
    with TABLES.checkpoints_file.open(encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if row["name"] == NAME]
    card = card_of(make_model(provenance=APACHE))
    assert f"| ImageNet-1k top-1, reported | {float(row['top1'])} % |" in card
    assert "Reported by timm's published results table" in card
    assert "model-index" not in metadata_of(card)
    assert metadata_of(card)["datasets"] == ["imagenet-1k", "imagenet-21k"]
    assert [paper for paper in ("2010.11929", "2106.10270") if f"arxiv.org/abs/{paper}" in card] == [
        "2010.11929",
        "2106.10270",
    ]


def test_figures_of_the_source_are_not_those_of_changed_weights():
    tuned = make_model(provenance=APACHE)
    fit(tuned)
    models = [
        tuned,
        make_model(provenance={**APACHE, "changes": ["loaded with another num_classes"]}),
        make_model(provenance={**APACHE, "training": {"epochs": 1}}),
        make_model(provenance=APACHE, patch_size=128, image_size=256),
        make_model(provenance={**APACHE, "source": {"repo_id": "me/copy"}}),
    ]
    assert ["reported" in card_of(model) for model in models] == [False] * 5


def test_multiply_accumulates_of_a_model_for_any_size_are_those_at_its_preprocessings():
    model = make_model(image_size=None, position_grid=(2, 2))
    fixed = make_model(image_size=model.preprocessing.image_size)
    (row,) = [line for line in card_of(fixed).splitlines() if line.startswith("| Multiply-accumulates")]
    assert row in card_of(model).splitlines()


@pytest.mark.parametrize(
    ("dataset", "expected"), [("digits", ["digits"]), ("tfds:cifar10", ["cifar10"]), ("holiday_photos", None)]
)
def test_only_public_data_sets_are_in_the_metadata(dataset, expected):
    card = card_of(make_model(provenance={"license": "mit", "training": {"dataset": dataset}}))
    assert metadata_of(card).get("datasets") == expected


# History.


def test_changes_to_weights_from_elsewhere_are_kept(tmp_path):
    folder = make_model(provenance=APACHE).save_to_preset(tmp_path / "converted")
    assert from_preset(folder).provenance == APACHE

    model = from_preset(folder, num_classes=2)
    assert model.provenance == {**APACHE, "changes": ["loaded with another num_classes"]}
    fit(model)
    fit(model)
    assert model.provenance["changes"] == ["loaded with another num_classes", hub.FINE_TUNED]

    tuned = model.save_to_preset(tmp_path / "tuned")
    assert from_preset(tuned).provenance == model.provenance
    assert metadata_of((tuned / "README.md").read_text())["base_model_relation"] == "finetune"
    notice = " ".join((tuned / "LICENSE").read_text().split("Apache License")[0].split())
    assert "They have been changed" in notice
    assert "loaded with another num_classes; fine-tuned." in notice
    assert hub.check_card(tuned) == hub.check_card(folder) == []


def test_weights_of_ones_own_have_no_list_of_changes(tmp_path):
    model = make_model()
    fit(model)
    assert model.provenance == {"license": "mit"}
    folder = model.save_to_preset(tmp_path / "mine")
    assert from_preset(folder, num_classes=2).provenance == {"license": "mit"}


@pytest.mark.parametrize("part", [{"source": "timm"}, {"changes": "none"}, {"training": [1]}, {"evaluation": 1.0}])
def test_a_history_of_another_form_is_refused(tmp_path, part):
    folder = make_model(provenance=APACHE).save_to_preset(tmp_path / "mine")
    settings = json.loads((folder / "config.json").read_text())
    settings["keras_vit"]["provenance"].update(part)
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(
        ValueError, match=rf"needs its provenance as save_to_preset writes it; {next(iter(part))} is not"
    ):
        from_preset(folder)


def test_curves_stay_with_the_weights_that_they_are_about(tmp_path):
    model = make_model(provenance={"license": "mit", "training": {"dataset": "digits", "epochs": 1}})
    model.curves = PNG
    folder = model.save_to_preset(tmp_path / "mine")
    assert (folder / "curves.png").read_bytes() == PNG
    assert "(curves.png)" in (folder / "README.md").read_text()
    assert hub.check_card(folder) == []

    again = from_preset(folder).save_to_preset(tmp_path / "again")
    assert (again / "curves.png").read_bytes() == PNG

    model = from_preset(folder)
    fit(model)
    assert from_preset(folder, num_classes=2).curves is None
    replaced = model.save_to_preset(again)  # the older picture goes
    assert {path.name for path in replaced.iterdir()} == {"config.json", "model.safetensors", "README.md", "LICENSE"}
    assert "curves.png" not in (replaced / "README.md").read_text()


# Examples.


@pytest.fixture
def image(tmp_path, rng, monkeypatch):
    """The image that the examples open."""
    Image.fromarray(rng.integers(256, size=(20, 30, 3)).astype("uint8")).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)


def run(card, *replacements):
    """Runs the examples that need none of the other libraries; returns what each of them leaves."""
    results = []
    for code in code_of(card):
        if re.search(r"(import|from) (timm|transformers)\b", code):
            continue
        for old, new in replacements:
            code = code.replace(old, str(new))
        results.append({})
        exec(code, results[-1])
    return results


@pytest.mark.parametrize("num_classes", [3, 0])
def test_the_examples_of_a_folder_run_as_printed(tmp_path, image, capsys, num_classes):
    model = ViT(**{**TINY, "num_classes": num_classes})
    folder = model.save_to_preset(tmp_path / "my_vit", keras_files=True)

    loaded, tuned, keras_s = run((folder / "README.md").read_text())

    expected = np.asarray(model.predict(model.preprocessing("image.png"), verbose=0))
    if num_classes:
        assert {label for label, _ in loaded["model"].classify("image.png")} == {"class 0", "class 1", "class 2"}
        np.testing.assert_allclose(keras_s["logits"], expected, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_allclose(loaded["features"], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(keras_s["features"], expected, rtol=1e-5, atol=1e-6)
    assert tuned["model"].config.num_classes == 3
    assert capsys.readouterr().out


def test_the_examples_of_a_repository_run_with_its_name_replaced(tmp_path, image):
    model = ViT(**TINY)
    folder = model.push_to_hub("me/my_vit", dry_run=tmp_path / "my_vit")

    loaded, tuned, keras_s = run((folder / "README.md").read_text(), ("hf://me/my_vit", folder), ("me/my_vit", folder))

    assert type(loaded["model"]) is type(keras_s["model"]) is type(tuned["model"]) is ViT
    assert hub.check_card(folder) == []
