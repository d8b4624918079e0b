"""Keras' own files: what `keras.saving.load_model` needs beside ours in a preset folder or Hub repository."""

import datetime
from pathlib import Path
from typing import Any

import keras

METADATA_FILE = "metadata.json"
WEIGHTS_FILE = "model.weights.h5"


def settings(model: Any) -> dict[str, Any]:
    """Returns Keras' keys of `config.json`: which registered class to build, and from which arguments.

    Not how the model was compiled: Keras would want the optimizer's state too, twice as large as the weights, and every
    loss and metric of the user's to be known where the model is loaded. Nor `remat`, which is for the machine at hand.
    """
    serialized = keras.saving.serialize_keras_object(model)
    config = {name: value for name, value in serialized["config"].items() if name != "remat"}
    return {**serialized, "config": config, "compile_config": None}


def metadata() -> dict[str, str]:
    """Returns `metadata.json`: which Keras wrote the files, and when."""
    saved = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d@%H:%M:%S")
    return {"keras_version": keras.__version__, "date_saved": saved}


def write_weights(model: Any, path: Path) -> None:
    """Writes `model.weights.h5`."""
    # Of the bare graph, which has the same layers; the model itself may have an optimizer.
    keras.Model(model.input, model.output).save_weights(path)
