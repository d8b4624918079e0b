"""`keras-vit train` on every architecture of the catalogue: all weights by fine_tuning, adapters by lora."""

import importlib

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_vit import from_preset
from keras_vit.cli.app import build_app
from keras_vit.models import catalogue

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of three classes."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (folder / name).mkdir()
        for number in range(5):
            Image.fromarray(rng.integers(256, size=(20, 30, 3), dtype="uint8")).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(params=catalogue.ARCHITECTURES)
def model(request, randomise):
    """The tiny model with every parameter random, as if it were pretrained."""
    tests = catalogue.ARCHITECTURES[request.param].replace("keras_vit.", "tests.")
    model = catalogue.model_class(request.param)(**importlib.import_module(f"{tests}.configs").TINY)
    randomise(model)
    return model


@pytest.fixture
def train(model, photographs, tmp_path):
    """Trains the model by a recipe for an epoch; returns the folder of the run."""

    def train(recipe, *options):
        base = model.save_to_preset(tmp_path / "base")
        arguments = ["train", "--preset", base, "--data", photographs, "--recipe", recipe, "--epochs", 1, "-q"]
        arguments += ["--batch-size", 4, "--out", tmp_path / "run", *options]
        result = CliRunner().invoke(build_app(), [str(each) for each in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return tmp_path / "run"

    return train


def changed(before, after):
    """Returns the paths of the variables that differ."""
    old, new = before.weights_by_path(), after.weights_by_path()
    assert old.keys() == new.keys()
    return {path for path in old if not np.array_equal(old[path].numpy(), new[path].numpy())}


def images_for(model):
    height, width = model.config.usual_size
    return np.random.default_rng(1).normal(size=(2, height, width, model.config.in_channels)).astype("float32")


def test_fine_tuning_moves_all_weights_the_early_ones_least(model, train):
    run = train("fine_tuning", "--set", "layer_decay=0.5", "--set", "warmup_epochs=0")
    trained = from_preset(run / "model")
    assert type(trained) is type(model)
    assert trained.labels == ("ant", "bee", "cat")
    assert trained.provenance["training"]["layer_decay"] == 0.5
    assert len(changed(model, trained)) > 0.9 * len(model.weights)
    old, new = model.weights_by_path(), trained.weights_by_path()

    def distance(layer):
        kernels = [path for path in old if path.startswith(f"{layer}/") and path.endswith("/kernel")]
        return np.mean([np.abs(new[path].numpy() - old[path].numpy()).mean() for path in kernels])

    assert distance("encoder_0") < distance(f"encoder_{model.config.depth - 1}") < distance("head")


def test_lora_gives_the_merged_model_and_its_adapter(model, train):
    run = train("lora", "--set", "lora_rank=2", "--set", "warmup_epochs=0")
    merged, with_adapter = from_preset(run / "model"), from_preset(run / "adapter")
    roles = model.roles()
    moved = changed(model, merged)
    adapted = {path for path in moved if roles[path].name == "qkv"}
    assert {roles[path].depth for path in adapted} == set(range(1, model.config.depth + 1))
    assert all(path.startswith("head/") for path in moved - adapted)
    images = images_for(model)
    np.testing.assert_allclose(
        merged.predict(images, verbose=0), with_adapter.predict(images, verbose=0), rtol=1e-4, atol=1e-5
    )
