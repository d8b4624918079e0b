"""Quantised models: Keras' own `quantize`, and what rebuilds such a model from a `.keras` file."""

import contextlib
import gc
import re
from collections.abc import Iterator
from typing import Any

import keras

from keras_vit.models.paths import path_in


def quantize(model: Any, mode: Any, config: Any, filters: Any) -> None:
    """Quantises layers in place; arguments as in `VisionModel.quantize`."""
    parts = [part for part in _dense_layers(model).values() if _matches(part, filters) and not part.quantization_mode]
    if not parts:
        raise ValueError(f"quantize needs dense layers that are not quantised yet; got {mode=}, {filters=}: none.")
    _quantize(model, parts, mode, config)


def quantized_layers(model: Any) -> dict[str, dict[str, Any]]:
    """Returns the mode and Keras' config of every quantised layer by its path, as plain data."""
    return {
        path: {
            "mode": part.quantization_mode,
            "config": keras.saving.serialize_keras_object(part.quantization_config),
        }
        for path, part in _dense_layers(model).items()
        if part.quantization_mode is not None
    }


def restore(model: Any, layers: dict[str, dict[str, Any]]) -> None:
    """Quantises the layers that another model had quantised, so that its weights fit."""
    parts = _dense_layers(model)
    kinds: list[dict[str, Any]] = []
    for settings in layers.values():
        if settings not in kinds:
            kinds.append(settings)
    for kind in kinds:
        chosen = [parts[path] for path, settings in layers.items() if settings == kind]
        _quantize(model, chosen, kind["mode"], keras.saving.deserialize_keras_object(kind["config"]))


def require_float(model: Any) -> None:
    """Raises where preset folders, whose weights other packages read too, cannot hold the model."""
    modes = sorted({settings["mode"] for settings in quantized_layers(model).values()})
    if modes:
        raise ValueError(
            f"Preset folders and Hub repositories hold float weights; this model is quantised ({', '.join(modes)}). "
            "Save it before you quantise it, or save it as a Keras file: model.save('model.keras')."
        )


def _dense_layers(model: Any) -> dict[str, Any]:
    return {path_in(layer, part): part for layer in model.layers for part in layer._flatten_layers() if _is_dense(part)}


def _quantize(model: Any, layers: list[Any], mode: Any, config: Any) -> None:
    chosen = {id(layer) for layer in layers}  # Keras would ask every layer, and warn of each that cannot
    with _quick_garbage_collection():
        keras.Model.quantize(model, mode, config=config, filters=lambda layer: id(layer) in chosen)


@contextlib.contextmanager
def _quick_garbage_collection() -> Iterator[None]:
    """Keras collects garbage after each layer, 0.4 s with all that is imported; what is there already is no garbage."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _matches(layer: Any, filters: Any) -> bool:
    """Whether Keras' filters, regular expressions of names or a function, mean a layer."""
    if filters is None or callable(filters):
        return filters is None or bool(filters(layer))
    return any(re.search(pattern, layer.name) for pattern in ([filters] if isinstance(filters, str) else filters))


def _is_dense(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Dense)
