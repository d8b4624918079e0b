"""Which Keras backend the command line runs on, found out without importing Keras."""

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")  # in order of preference


def choose_backend() -> str | None:
    """Makes sure that the next `import keras` finds its backend; returns a notice if another than usual was chosen.

    A backend named by KERAS_BACKEND must be there. Otherwise the one in keras.json, or the first installed one: Keras
    writes "tensorflow" into that file by itself, so it is no choice of the user's.

    Raises:
        ImportError: The backend is not installed; the message names the extra that brings it.
        ValueError: KERAS_BACKEND names no backend that can train.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a missing GPU is reported as an error at level 2
    named = os.environ.get("KERAS_BACKEND")
    wanted = named or _configured_backend()
    if wanted not in BACKENDS:
        raise ValueError(f"keras-vit needs KERAS_BACKEND to be one of {', '.join(BACKENDS)}; got {wanted!r}.")
    if _is_installed(wanted):
        return None
    if named:
        raise ImportError(f'KERAS_BACKEND={wanted} needs an extra: pip install "keras3-vit[{wanted}]"')
    installed = next((backend for backend in BACKENDS if _is_installed(backend)), None)
    if installed is None:
        raise ImportError(f'Keras needs a backend, for example: pip install "keras3-vit[{wanted}]"')
    os.environ["KERAS_BACKEND"] = installed
    return f"using the {installed} backend: {wanted} is not installed"


def import_keras() -> None:
    """Imports Keras without the start-up notices that TensorFlow's C++ code writes to stderr.

    They come before TensorFlow reads TF_CPP_MIN_LOG_LEVEL, and would bury a one-line answer.
    """
    if "keras" in sys.modules:
        return
    sys.stderr.flush()
    stderr_copy = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        importlib.import_module("keras")
    finally:
        os.dup2(stderr_copy, 2)
        os.close(stderr_copy)


def _configured_backend() -> str:
    home = os.environ.get("KERAS_HOME")
    path = (Path(home) if home else Path.home() / ".keras") / "keras.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("backend", BACKENDS[0]))
    except (OSError, ValueError, AttributeError):
        return BACKENDS[0]


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
