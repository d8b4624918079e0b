"""The cards in model_card/ are those that the package writes today, and are good ones."""

import keras
import pytest

from keras_vit import hub
from model_card import write_cards


@pytest.fixture
def keras_version(monkeypatch):
    """Makes cards name the version of Keras that wrote the given one, which may be older than the one here."""

    def use(written):
        (line,) = [line for line in written.splitlines() if line.startswith("| Written by")]
        monkeypatch.setattr(keras, "__version__", line.split("Keras ")[1].rstrip(" |"))

    return use


def test_the_card_of_vit_digits_is_up_to_date(keras_version):
    written = (write_cards.DIGITS / "README.md").read_text(encoding="utf-8")
    keras_version(written)
    assert write_cards.digits_card() == written
    assert (write_cards.FOLDER / "vit_digits.md").read_text(encoding="utf-8") == written
    assert (write_cards.FOLDER / "curves.png").read_bytes() == (write_cards.DIGITS / "curves.png").read_bytes()
    assert "license: mit" in written
    assert "![Loss and accuracy over the epochs](curves.png)" in written


def test_the_card_beside_vit_digits_has_no_faults():
    assert hub.check_card(write_cards.DIGITS) == []


def test_the_template_of_converted_models_is_up_to_date(keras_version):
    written = (write_cards.FOLDER / "converted.md").read_text(encoding="utf-8")
    keras_version(written)
    assert write_cards.converted_card() == written
    assert "base_model: SOURCE_OWNER/SOURCE_NAME" in written
    assert "license: apache-2.0" in written
    assert "library_name: keras\n" in written
    assert "model-index" not in written
