"""Shared set-up of all tests: one backend per run, fixed seeds, fixtures."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

# Before Keras is imported: the environment decides, whatever ~/.keras/keras.json says.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up notices of TensorFlow
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")  # models this small take longer to optimise than to run

import keras
import numpy as np
import pytest


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
