"""Export: writes a model for a runtime that has no Keras, and says beforehand where that cannot work."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

FORMATS = ("tf_saved_model", "onnx", "litert")

# What turns models into a format on a backend, and the extra that brings it. Where a pair is missing, Keras has no way,
# or none that leaves the number of images free: PyTorch's needs a fixed one.
_CONVERTERS = {
    ("tf_saved_model", "tensorflow"): ("tensorflow", "tensorflow"),
    ("tf_saved_model", "jax"): ("tensorflow", "tensorflow"),
    ("onnx", "tensorflow"): ("tf2onnx", "onnx"),
    ("onnx", "jax"): ("jax2onnx", None),
    ("litert", "tensorflow"): ("tensorflow", "tensorflow"),
}
_WITH_TENSORFLOW = "KERAS_BACKEND=tensorflow: import keras_vit; keras.saving.load_model('model.keras').export(...)"
_SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}


def export(
    model: Any,
    keras_export: Callable[..., None],
    path: Any,
    format: str,  # noqa: A002 - Keras' own name
    *,
    with_preprocessing: bool | dict[str, Any] = False,
    **options: Any,
) -> None:
    """Exports a model; see `VisionModel.export`.

    Args:
        model: The model.
        keras_export: `keras.Model.export`, bound to it.
        path: Where to.
        format: One of `FORMATS`, or another of Keras'.
        with_preprocessing: Whether raw pixels go in; a dict holds arguments of `model.with_preprocessing`.
        options: Of `keras.Model.export`.
    """
    # A fixed number of images, by `input_signature`, is Keras' own affair.
    is_checked = format in FORMATS and "input_signature" not in options
    if is_checked:
        _check_possible(path, format)
    shape = (1, *model.preprocessing.image_size, model.config.in_channels)
    pixels = np.zeros(shape, "float32")
    if with_preprocessing is not False:
        arguments = {"pixel_dtype": "uint8"} | (with_preprocessing if isinstance(with_preprocessing, dict) else {})
        exported = model.with_preprocessing(**arguments)
        height, width = exported.input_shape[1:3]
        pixels = np.zeros((1, height or shape[1], width or shape[2], shape[3]), exported.input.dtype)
        keras_export = exported.export
    else:
        exported = model
    exported(pixels)  # Keras exports only models that have been called, and loading is no call.
    keras_export(path, format=format, **options)
    if is_checked and format == "tf_saved_model" and keras.config.backend() == "jax":
        _check_runs(path, pixels)


def _check_possible(path: Any, format: str) -> None:  # noqa: A002
    """Raises where an export with a free number of images cannot work, before anything is written."""
    backend = keras.config.backend()
    suffix = _SUFFIXES.get(format, "")
    if not os.fspath(path).endswith(suffix):
        raise ValueError(f"Export to {format} needs a path that ends with {suffix!r}; got {os.fspath(path)!r}.")
    if (format, backend) not in _CONVERTERS:
        able = " or ".join(each for name, each in _CONVERTERS if name == format)
        raise ValueError(
            f"Export to {format} with any number of images needs the backend {able}; got {backend!r}. "
            f"Save the model here, model.save('model.keras'), and export it in a process with {_WITH_TENSORFLOW}."
        )
    package, extra = _CONVERTERS[format, backend]
    if importlib.util.find_spec(package) is None:
        wanted = f"keras3-vit[{extra}]" if extra else package
        raise ImportError(f'Export to {format} on the {backend} backend needs {package}: pip install "{wanted}"')


def _check_runs(path: Any, pixels: np.ndarray) -> None:
    """Runs a SavedModel that JAX wrote; takes it away and raises if the installed TensorFlow cannot.

    JAX and TensorFlow speak through StableHLO, and a newer JAX writes what an older TensorFlow does not read: the file
    looks well and fails at its first image.
    """
    import tensorflow as tf

    try:
        artifact = tf.saved_model.load(os.fspath(path))
        artifact.serve(pixels)
    except (tf.errors.OpError, ValueError) as error:
        shutil.rmtree(path)
        import jax

        raise ValueError(
            f"Export to tf_saved_model on JAX needs a TensorFlow that reads what JAX writes; TensorFlow "
            f"{tf.__version__} does not read that of JAX {jax.__version__}. Save the model here, "
            f"model.save('model.keras'), and export it in a process with {_WITH_TENSORFLOW}."
        ) from error
