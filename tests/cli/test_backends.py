import json
import os

import pytest

from keras_vit.cli import backends
from keras_vit.cli.backends import choose_backend


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path) -> set[str]:
    """The backends that are there; a home without keras.json, and no KERAS_BACKEND."""
    names: set[str] = set()
    monkeypatch.setattr(backends, "_is_installed", names.__contains__)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "")
    monkeypatch.delenv("KERAS_BACKEND")
    return names


def test_named_backend_is_taken(installed, monkeypatch):
    installed |= {"tensorflow", "jax"}
    monkeypatch.setenv("KERAS_BACKEND", "jax")

    assert choose_backend() is None
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_named_backend_that_is_missing_names_its_extra(installed, monkeypatch):
    installed |= {"tensorflow"}
    monkeypatch.setenv("KERAS_BACKEND", "jax")

    with pytest.raises(ImportError, match=r'^KERAS_BACKEND=jax needs an extra: pip install "keras3-vit\[jax\]"$'):
        choose_backend()


@pytest.mark.parametrize("name", ["openvino", "tensorflw"])
def test_backend_that_cannot_train_is_refused(monkeypatch, name):
    monkeypatch.setenv("KERAS_BACKEND", name)

    with pytest.raises(ValueError, match=f"one of tensorflow, jax, torch; got '{name}'"):
        choose_backend()


def test_the_backend_of_keras_json_is_taken(installed, tmp_path):
    installed |= {"tensorflow", "torch"}
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))

    assert choose_backend() is None
    assert "KERAS_BACKEND" not in os.environ


def test_the_installed_backend_is_taken_when_the_usual_one_is_missing(installed):
    installed |= {"torch"}

    assert choose_backend() == "using the torch backend: tensorflow is not installed"
    assert os.environ["KERAS_BACKEND"] == "torch"


def test_no_backend_at_all_names_an_extra():
    with pytest.raises(ImportError, match=r'pip install "keras3-vit\[tensorflow\]"'):
        choose_backend()
