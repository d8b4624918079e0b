"""Conversion: from every layout into a preset folder, or into transformers' form."""

import datetime
import json
from importlib.metadata import version

import numpy as np
import pytest

import keras_vit
from keras_vit import Preprocessing, ViT, convert, hub
from keras_vit.models import conversion_facts
from tests.models.goldens import FOLDER
from tests.models.vit.configs import TINY


@pytest.fixture
def model(randomise):
    preprocessing = Preprocessing(image_size=(8, 12), crop_mode="squash")
    model = ViT(**TINY, labels=["ant", "bee", "cat"], provenance={"license": "apache-2.0"}, preprocessing=preprocessing)
    randomise(model)
    return model


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 8, 12, 3)).astype("float32")


def test_a_converted_folder_gives_equal_logits_and_a_certificate(tmp_path, model, images):
    model.save_for_transformers(tmp_path / "theirs")

    returned = convert(tmp_path / "theirs", tmp_path / "ours")

    again = ViT.from_preset(tmp_path / "ours")
    np.testing.assert_array_equal(again.predict(images, verbose=0), returned.predict(images, verbose=0))
    np.testing.assert_allclose(again.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)
    assert again.labels == ("ant", "bee", "cat")
    assert again.verify().outputs < 1e-5


def test_a_conversion_is_dated_once(tmp_path, model):
    model.save_for_transformers(tmp_path / "theirs")
    convert(tmp_path / "theirs", tmp_path / "ours")
    noted = json.loads((tmp_path / "ours" / "config.json").read_text())["keras_vit"]["provenance"]["conversion"]
    assert noted["version"] == version("keras3-vit")
    assert (datetime.datetime.now(datetime.UTC).date() - datetime.date.fromisoformat(noted["date"])).days in (0, 1)
    card = (tmp_path / "ours" / "README.md").read_text()
    assert f"Converted on {noted['date']} with keras_vit {noted['version']}. config.json records what" in card
    assert "In float32 it allows differences of 0.001 of the root mean square." in card

    again = ViT.from_preset(tmp_path / "ours")
    conversion_facts.note(again, date="2999-01-01")
    assert again.provenance["conversion"] == noted


def test_what_was_ours_all_along_is_no_conversion(tmp_path, model):
    convert(model.save_to_preset(tmp_path / "mine"), tmp_path / "copy", certify=False)
    assert "conversion" not in ViT.from_preset(tmp_path / "copy").provenance
    card = (tmp_path / "copy" / "README.md").read_text()
    assert "Converted on" not in card
    assert "verify()" not in card


def test_the_card_of_a_published_conversion_names_source_and_commit(hub_server, tmp_path):
    commit = hub_server.add("them/vit", FOLDER / "timm_vit")
    model = keras_vit.from_preset("them/vit")
    folder = model.push_to_hub("me/vit", license="apache-2.0", dry_run=tmp_path / "look")
    assert (
        f"Converted on {model.provenance['conversion']['date']} from [them/vit](https://huggingface.co/them/vit) at "
        f"commit `{commit}` with keras_vit {version('keras3-vit')}."
    ) in (folder / "README.md").read_text()
    assert hub.check_card(folder) == []


def test_a_folder_for_transformers_has_its_names_and_can_be_replaced(tmp_path, model):
    folder = model.save_to_preset(tmp_path / "ours")
    for _ in range(2):
        convert(folder, tmp_path / "theirs", to="transformers")
    files = sorted(path.name for path in (tmp_path / "theirs").iterdir())
    assert files == ["LICENSE", "README.md", "config.json", "model.safetensors", "preprocessor_config.json"]
    settings = json.loads((tmp_path / "theirs" / "config.json").read_text())
    assert (settings["model_type"], settings["id2label"]) == ("vit", {"0": "ant", "1": "bee", "2": "cat"})
    with keras_vit.checkpoints.read(tmp_path / "theirs" / "model.safetensors") as tensors:
        assert "vit.embeddings.cls_token" in tensors


def test_changes_are_made_on_the_way(tmp_path, model):
    folder = model.save_to_preset(tmp_path / "ours")
    changed = convert(folder, tmp_path / "other", num_classes=5, image_size=(16, 24))
    assert ViT.from_preset(tmp_path / "other").config == changed.config
    assert (changed.config.num_classes, changed.config.grid_size) == (5, (4, 6))


def test_what_transformers_cannot_build_is_refused_before_anything_is_written(tmp_path):
    folder = ViT(**TINY, order="parallel").save_to_preset(tmp_path / "ours")
    with pytest.raises(ValueError, match="order"):
        convert(folder, tmp_path / "theirs", to="transformers")
    assert not (tmp_path / "theirs").exists()


def test_an_unknown_target_is_refused_before_the_source_is_read(tmp_path):
    with pytest.raises(ValueError, match="convert needs `to` to be one of timm, transformers; got to='onnx'"):
        convert(tmp_path / "absent", tmp_path / "out", to="onnx")
