"""Whole runs by recipes that train something else than all weights from scratch."""

import numpy as np
import pytest

from keras_vit import from_preset, training
from keras_vit.checkpoints import open_weights
from keras_vit.training import RunSettings

pytestmark = pytest.mark.slow


def weights(folder) -> dict[str, np.ndarray]:
    with open_weights(folder / "model.safetensors") as tensors:
        return {name: np.array(tensors[name]) for name in tensors}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Returns the folder of one short run for each of these recipes, on the digits."""
    folder = tmp_path_factory.mktemp("runs")
    for recipe, changes in (
        ("linear_probe", {"learning_rate": 0.01}),
        ("lora", {"changes": {"lora_rank": 2}}),
        ("deit", {"teacher": "vit_digits"}),
    ):
        settings = RunSettings(recipe=recipe, preset="vit_digits", epochs=1, batch_size=256, **changes)
        training.run(settings, folder / recipe)
    return folder


def test_a_probe_changes_the_logits_of_a_pretrained_model_alone(runs):
    model = from_preset("vit_digits").save_to_preset(runs / "before")

    before, after = weights(model), weights(runs / "linear_probe" / "model")

    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"head.weight", "head.bias"}


def test_lora_leaves_the_merged_model_and_the_adapter_alone(runs, rng):
    merged, adapted = from_preset(runs / "lora" / "model"), from_preset(runs / "lora" / "adapter")

    images = rng.normal(size=(2, 8, 8, 1)).astype("float32")

    np.testing.assert_allclose(
        merged.predict(images, verbose=0), adapted.predict(images, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_a_model_without_class_token_learns_from_a_teacher_too(runs):
    model = from_preset(runs / "deit" / "model")

    assert model.config == from_preset("vit_digits").config
    assert model.provenance["training"]["teacher"] == "vit_digits"
    assert model.provenance["training"]["distillation"] == "hard"


def test_what_was_changed_is_in_the_command_and_settings_that_do_nothing_are_left_out(runs):
    record = from_preset(runs / "lora" / "model").provenance["training"]

    assert record["command"] == (
        "keras-vit train --preset vit_digits --recipe lora --set lora_rank=2 --epochs 1 --batch-size 256"
    )
    assert (record["recipe"], record["lora_rank"]) == ("lora", 2)
    assert "distillation" not in record


def test_the_licence_of_weights_from_elsewhere_cannot_be_changed_by_training_on(tmp_path):
    model = from_preset("vit_digits")
    model.provenance = {"license": "apache-2.0"}
    base = model.save_to_preset(tmp_path / "base")
    settings = RunSettings(recipe="linear_probe", preset=str(base), epochs=1, license="mit")

    with pytest.raises(ValueError, match="licence that the weights came with"):
        training.run(settings, tmp_path / "run")
