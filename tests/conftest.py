"""Shared set-up of all tests: one backend per run, fixed seeds, fixtures."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Before Keras is imported: the environment decides, whatever ~/.keras/keras.json says.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up notices of TensorFlow
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")  # models this small take longer to optimise than to run
# Before the Hub's client is imported: it reads the environment once.
os.environ["HF_HUB_DISABLE_XET"] = "1"  # the local hub speaks plain HTTP
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "0"

import keras
import numpy as np
import pytest

from tests.hub.hub_server import HubServer, running_hub

# Thousands of models leave millions of objects behind: to look through them as often as Python does takes 5 % of the
# suite's time.
gc.set_threshold(100_000, 20, 20)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Runs files that are named on the command line in this process: several take longer to start than to run them."""
    return None if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


@pytest.fixture(autouse=True)
def fresh_keras_state() -> Iterator[None]:
    """Seeds every test alike, and undoes what a test changes in Keras' global settings."""
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    data_format = keras.config.image_data_format()
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(data_format)


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator for test inputs."""
    return np.random.default_rng(0)


@pytest.fixture
def randomise(rng: np.random.Generator) -> Callable[[keras.layers.Layer], None]:
    """Gives every weight of a layer or model small random values: initial zeros and ones hide mistakes."""

    def fill(layer: keras.layers.Layer) -> None:
        for variable in layer.weights:
            if keras.backend.is_float_dtype(variable.dtype):
                noise = rng.normal(scale=0.2, size=tuple(variable.shape)).astype("float32")
                variable.assign(keras.ops.convert_to_numpy(variable.value).astype("float32") + noise)

    return fill


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Runs code in a fresh Python process, with arguments in sys.argv[1:], and returns what it prints."""

    def run(code: str, *arguments: object, backend: str | None = None) -> str:
        environment = {**os.environ, "KERAS_BACKEND": backend or keras.config.backend()}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert process.returncode == 0, process.stderr
        return process.stdout

    return run


@pytest.fixture(scope="module")
def module_hub() -> Iterator[HubServer]:
    """The server of `hub_server`: one for all tests of a module."""
    with running_hub() as server:
        yield server


@pytest.fixture
def hub_server(module_hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """An empty local Hub, which the client takes for the Hub, with a cache and a place for tokens of its own."""
    from huggingface_hub import constants

    home = tmp_path / "hf_home"
    for name, value in (
        ("HF_HOME", home),
        ("HF_HUB_CACHE", home / "hub"),
        ("HF_TOKEN_PATH", home / "token"),
        ("HF_STORED_TOKENS_PATH", home / "stored_tokens"),
    ):
        monkeypatch.setattr(constants, name, str(value))
        monkeypatch.setenv(name, str(value))  # for processes that a test starts
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", module_hub.endpoint)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", module_hub.endpoint + template)
    monkeypatch.setattr(constants, "ENDPOINT", module_hub.endpoint)
    module_hub.reset()
    return module_hub


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset folder whose architecture takes the digits, small enough to train on all of them within a test."""
    from keras_vit.models import ViT

    model = ViT(
        image_size=8,
        in_channels=1,
        patch_size=4,
        embed_dim=16,
        depth=2,
        num_heads=2,
        mlp_ratio=1.0,
        use_class_token=False,
        pooling="mean",
        num_classes=10,
    )
    return model.save_to_preset(tmp_path_factory.mktemp("presets") / "tiny")
