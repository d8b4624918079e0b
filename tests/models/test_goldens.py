"""Tiny checkpoints of the main kinds give what timm, transformers and KerasHub returned for them.

`python -m tests.parity.make_goldens` made them.
"""

import json

import numpy as np
import pytest

import keras_vit
from tests.models.goldens import FOLDER, make_images
from tests.sampling import sample

EXPECTED = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_outputs_are_those_of_the_source(name):
    model = keras_vit.from_preset(FOLDER / name)
    outputs = model.predict(make_images(), verbose=0)
    expected = np.array(EXPECTED[name])
    assert outputs.shape == expected.shape
    assert expected.std() > 0.05  # a comparison of zeros would say nothing
    np.testing.assert_allclose(outputs, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", sample(EXPECTED, 6))
def test_all_of_it_survives_being_saved_as_a_preset(name, tmp_path):
    model = keras_vit.from_preset(FOLDER / name)
    again = keras_vit.from_preset(model.save_to_preset(tmp_path / "mine"))
    np.testing.assert_array_equal(again.predict(make_images(), verbose=0), model.predict(make_images(), verbose=0))


def test_the_goldens_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 4_000_000
