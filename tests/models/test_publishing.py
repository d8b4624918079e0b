"""Publishing: a model, and what belongs to it, goes to the local hub and comes back."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

import keras_vit
from keras_vit import ViT, hub
from tests.models.vit.configs import TINY

NAMES = ["LICENSE", "README.md", "config.json", "metadata.json", "model.safetensors", "model.weights.h5"]


@pytest.fixture
def model(randomise):
    model = ViT(**TINY, labels=["ant", "bee", "cat"])
    randomise(model)
    return model


@pytest.fixture
def target(hub_server):
    return {"token": "hf_me", "endpoint": hub_server.endpoint}


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 8, 12, 3)).astype("float32")


def test_a_model_goes_to_the_hub_and_comes_back(hub_server, target, model, images):
    done = model.push_to_hub("me/vit", commit_message="First", **target)

    loaded = keras_vit.from_preset("me/vit", **target)

    assert sorted(hub_server.files("me/vit")) == NAMES
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    assert loaded.labels == model.labels
    assert str(loaded.verify()).startswith("verified")
    assert hub_server.repositories["me/vit"].commits[done.commit].title == "First"


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="Keras reads remote paths through TensorFlow's gfile")
def test_keras_itself_loads_it_from_the_hub_in_a_fresh_process(hub_server, target, model, images, tmp_path, run_python):
    model.push_to_hub("me/vit", **target)
    np.save(tmp_path / "images.npy", images)
    code = """
import sys
import keras, numpy
import keras_vit
model = keras.saving.load_model("hf://me/vit")
numpy.save(sys.argv[2], model.predict(numpy.load(sys.argv[1]), verbose=0))
"""
    run_python(code, tmp_path / "images.npy", tmp_path / "logits.npy")
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), model.predict(images, verbose=0), rtol=1e-5, atol=1e-6)


def test_ours_fetches_the_weights_once_not_keras_copy(hub_server, target, model):
    model.push_to_hub("me/vit", **target)
    hub_server.requests.clear()
    keras_vit.from_preset("me/vit", **target)
    assert hub_server.log("model.safetensors")
    assert not hub_server.log("model.weights.h5")


def test_the_card_names_the_repository(hub_server, target, model):
    model.push_to_hub("me/my_vit", **target)
    card = hub_server.files("me/my_vit")["README.md"].decode()
    assert "library_name: keras\n" in card
    assert "# my_vit\n" in card
    assert 'keras_vit.from_preset("me/my_vit")' in card
    assert 'keras.saving.load_model("hf://me/my_vit")' in card


def test_keras_files_can_be_left_out(hub_server, target, model):
    model.push_to_hub("me/vit", **target)
    model.push_to_hub("me/vit", keras_files=False, **target)
    files = hub_server.files("me/vit")
    assert sorted(files) == ["LICENSE", "README.md", "config.json", "model.safetensors"]
    assert b"library_name: keras_vit\n" in files["README.md"]


def test_a_dry_run_leaves_what_would_be_uploaded_and_asks_nobody(hub_server, target, model, tmp_path):
    folder = model.push_to_hub("me/vit", dry_run=tmp_path / "look", **target)

    assert folder == tmp_path / "look"
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert hub_server.requests == []
    done = keras_vit.upload_preset("hf://me/vit", folder, **target)
    assert sorted(done.files) == NAMES
    assert hub_server.files("me/vit") == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_dry_run_finds_a_place_of_its_own(target, model, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = model.push_to_hub("me/my_vit", dry_run=True, **target)
    assert folder.name == "my_vit"
    assert tmp_path in folder.parents
    assert hub.check_card(folder) == []


def test_an_upload_leaves_nothing_on_this_machine(target, model, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    model.push_to_hub("me/vit", **target)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_licence_is_asked_for_where_none_is_known(hub_server, target):
    model = ViT(**TINY, provenance={})
    with pytest.raises(ValueError, match="needs to know the licence"):
        model.push_to_hub("me/vit", **target)
    assert hub_server.requests == []

    model.push_to_hub("me/vit", license="apache-2.0", **target)

    assert b"license: apache-2.0\n" in hub_server.files("me/vit")["README.md"]
    assert model.provenance["license"] == "apache-2.0"


def test_the_licence_of_weights_from_elsewhere_stays(hub_server, target):
    source = {"repo_id": "facebook/mae", "revision": "0" * 40}
    model = ViT(**TINY, provenance={"license": "cc-by-nc-4.0", "source": source})
    with pytest.raises(ValueError, match="cc-by-nc-4.0"):
        model.push_to_hub("me/vit", license="mit", **target)
    model.push_to_hub("me/vit", **target)
    files = hub_server.files("me/vit")
    assert b"license: cc-by-nc-4.0\n" in files["README.md"]
    assert json.loads(files["config.json"])["keras_vit"]["provenance"]["source"] == source


def test_weights_that_are_not_finite_are_not_published(hub_server, target, model):
    model.get_layer("head").logits.bias.assign(np.full(3, np.nan, "float32"))
    with pytest.raises(ValueError, match="finite weights"):
        model.push_to_hub("me/vit", **target)
    assert hub_server.requests == []


def test_a_wrong_name_is_found_before_anything_is_written(model, tmp_path):
    with pytest.raises(ValueError, match='"owner/name"'):
        model.push_to_hub("vit", dry_run=tmp_path / "look")
    assert list(tmp_path.iterdir()) == []
