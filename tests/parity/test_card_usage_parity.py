"""The examples of a card for timm and transformers run as printed, and give what the model gives."""

import re

import numpy as np
import pytest
from PIL import Image

from keras_vit import ViT
from keras_vit.preprocessing import Preprocessing
from tests.hub.records import code_of
from tests.models.vit.configs import TINY

pytestmark = pytest.mark.parity

LIBRARIES = ("timm", "transformers")


def make_model(randomise, **changes):
    channels = changes.get("in_channels", 3)
    model = ViT(
        **{**TINY, "image_size": 16, **changes},
        preprocessing=Preprocessing(image_size=16, num_channels=channels, mean=(0.4,), std=(0.3,)),
    )
    randomise(model)
    return model


def run(card, library, *replacements):
    """Runs the example of a library; returns what it leaves."""
    (code,) = [code for code in code_of(card) if re.search(rf"(import|from) {library}\b", code)]
    for old, new in replacements:
        code = code.replace(old, new)
    results = {}
    exec(code, results)
    return results


@pytest.fixture
def save_image(tmp_path, rng, monkeypatch):
    """Writes the image that the examples open."""
    monkeypatch.chdir(tmp_path)

    def save(num_channels):
        # The crop of transformers may start a pixel aside where an odd number is cut off; here, 2 and 20 are.
        pixels = rng.integers(256, size=(20, 40, num_channels)).astype("uint8")
        Image.fromarray(pixels.squeeze()).save(tmp_path / "image.png")

    return save


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("changes", [{}, {"num_classes": 0}, {"in_channels": 1}], ids=["head", "features", "grey"])
def test_examples_of_a_folder(tmp_path, randomise, save_image, library, changes):
    model = make_model(randomise, **changes)
    save_image(model.config.in_channels)
    folder = model.save_to_preset(tmp_path / "my_vit")

    results = run((folder / "README.md").read_text(), library)

    found = results["features" if changes.get("num_classes") == 0 else "logits"]
    expected = model.predict(model.preprocessing("image.png"), verbose=0)
    np.testing.assert_allclose(found.detach().numpy(), np.asarray(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("library", LIBRARIES)
def test_examples_of_a_repository(tmp_path, randomise, save_image, library):
    model = make_model(randomise)
    save_image(3)
    folder = model.push_to_hub("me/my_vit", dry_run=tmp_path / "my_vit")

    results = run(
        (folder / "README.md").read_text(),
        library,
        ("hf-hub:me/my_vit", f"local-dir:{folder}"),
        ("me/my_vit", str(folder)),
    )

    expected = model.predict(model.preprocessing("image.png"), verbose=0)
    np.testing.assert_allclose(results["logits"].detach().numpy(), np.asarray(expected), rtol=1e-3, atol=1e-4)


def test_example_of_a_folder_for_transformers(tmp_path, randomise, save_image):
    model = make_model(randomise)
    save_image(3)
    folder = model.save_for_transformers(tmp_path / "my_vit")

    results = run((folder / "README.md").read_text(), "transformers")

    expected = model.predict(model.preprocessing("image.png"), verbose=0)
    # Its processor rounds resized pixels to whole numbers, up to one level of 255 from PIL's.
    np.testing.assert_allclose(results["logits"].detach().numpy(), np.asarray(expected), atol=0.03)
