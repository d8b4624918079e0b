"""Tiny checkpoints of the main kinds give what timm, transformers and KerasHub returned for them.

`python -m tests.parity.make_goldens` made them.
"""

import json

import keras
import numpy as np
import pytest

import keras_vit
from tests.models.goldens import FOLDER, make_images
from tests.sampling import sample

EXPECTED = json.loads((FOLDER / "expected.json").read_text())
IS_JAX = keras.backend.backend() == "jax"  # which is slow where it does not compile


def outputs_of(model):
    # A graph takes TensorFlow longer to make than it saves.
    images = make_images()
    return model.predict(images, verbose=0) if IS_JAX else keras.ops.convert_to_numpy(model(images))


@pytest.mark.parametrize("name", EXPECTED)
def test_outputs_are_those_of_the_source(name):
    model = keras_vit.from_preset(FOLDER / name)
    outputs = outputs_of(model)
    expected = np.array(EXPECTED[name])
    assert outputs.shape == expected.shape
    assert expected.std() > 0.05  # a comparison of zeros would say nothing
    np.testing.assert_allclose(outputs, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", sample(EXPECTED, 6))
def test_all_of_it_survives_being_saved_as_a_preset(name, tmp_path):
    model = keras_vit.from_preset(FOLDER / name)
    again = keras_vit.from_preset(model.save_to_preset(tmp_path / "mine"))
    np.testing.assert_array_equal(outputs_of(again), outputs_of(model))


def test_the_goldens_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 4_000_000
