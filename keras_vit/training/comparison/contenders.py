"""The models of a comparison, by name: ViTs of this package, our small CNN, keras.applications, KerasHub."""

import inspect
from typing import Any

import keras
import numpy as np

from keras_vit import models
from keras_vit.preprocessing import Preprocessing
from keras_vit.training.comparison.settings import ComparisonSettings, is_preset, suggest
from keras_vit.training.small_cnn import build_small_cnn


def build_reference(settings: ComparisonSettings, num_classes: int | None = None) -> Any:
    """Builds the comparison's first ViT; its preprocessing is that of all models."""
    return _build_vit(settings, str(settings.reference), num_classes, settings.image_size)


def build_contender(name: str, settings: ComparisonSettings, preprocessing: Preprocessing, num_classes: int) -> Any:
    """Builds an untrained model that takes the comparison's images and returns logits.

    Args:
        name: "cnn", "applications:NAME" or "keras_hub:PRESET", each also as "...@SIZE": the model then sees the images
            enlarged to SIZE x SIZE pixels; or the name or folder of a ViT's preset.
        settings: Those of the comparison.
        preprocessing: What the images have passed through.
        num_classes: Length of the logits.

    Raises:
        ValueError: The name is unknown, or the model cannot take images of this size.
        ImportError: KerasHub is not installed.
    """
    image_shape = (*preprocessing.image_size, preprocessing.num_channels)
    if is_preset(name):
        model = _build_vit(settings, name, num_classes, preprocessing.image_size)
        if model.config.in_channels != preprocessing.num_channels:
            raise ValueError(
                f"{name} needs images of {model.config.in_channels} channel(s); those of {settings.reference}, "
                f"which all models get, have {preprocessing.num_channels}."
            )
        return model
    kind, _, wanted = name.partition(":")
    wanted, size = _parse_size(wanted, name)
    input_shape = (size, size, image_shape[2]) if size else image_shape
    if kind == "cnn":
        network = build_small_cnn(image_shape, num_classes, num_parameters(build_reference(settings, num_classes)))
    elif kind == "applications":
        network = _build_application(wanted, input_shape, num_classes)
    else:
        network = _build_keras_hub(wanted, input_shape, num_classes)
    return _wrap(network, image_shape, input_shape, preprocessing)


def num_parameters(model: keras.Model) -> int:
    """Returns how many numbers are trained."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def _build_vit(
    settings: ComparisonSettings, name: str, num_classes: int | None, image_size: tuple[int, int] | None
) -> Any:
    changes: dict[str, Any] = {"drop_path_rate": settings.chosen_recipe.drop_path_rate, "dtype": settings.dtype}
    if image_size is not None:
        changes["image_size"] = image_size
    if num_classes is not None:
        changes["num_classes"] = num_classes
    return models.from_preset(name, load_weights=False, **changes)


def _parse_size(wanted: str, name: str) -> tuple[str, int | None]:
    wanted, mark, size = wanted.partition("@")
    if mark and not (size.isdecimal() and int(size) > 0):
        raise ValueError(f"A model of a comparison needs NAME@PIXELS; got {name!r}. For example {wanted}@32.")
    return wanted, int(size) if mark else None


def _build_application(name: str, input_shape: tuple[int, ...], num_classes: int) -> Any:
    known = [each for each in dir(keras.applications) if each[0].isupper()]
    if name not in known:
        raise ValueError(f"keras.applications has no {name!r}.{suggest(name, known)}")
    build = getattr(keras.applications, name)
    more = {"include_preprocessing": False} if "include_preprocessing" in inspect.signature(build).parameters else {}
    try:
        return build(weights=None, input_shape=input_shape, classes=num_classes, classifier_activation=None, **more)
    except ValueError as error:
        raise _misfit(f"applications:{name}", input_shape, error) from error


def _build_keras_hub(name: str, input_shape: tuple[int, ...], num_classes: int) -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError("Comparing with KerasHub's models needs KerasHub: pip install keras-hub") from error
    # Without its preprocessor: the images are prepared alike for all models.
    try:
        return keras_hub.models.ImageClassifier.from_preset(
            name, load_weights=False, num_classes=num_classes, preprocessor=None, image_shape=input_shape
        )
    except ValueError as error:
        raise _misfit(f"keras_hub:{name}", input_shape, error) from error


def _misfit(name: str, input_shape: tuple[int, ...], error: ValueError) -> ValueError:
    height, width, _ = input_shape
    return ValueError(
        f"{name} cannot be built for images of {height} x {width} pixels: {error}\n"
        f"Where they are too small, let it see them larger ({name}@32), or enlarge them for all models (image_size)."
    )


def _wrap(
    network: Any, image_shape: tuple[int, ...], input_shape: tuple[int, ...], preprocessing: Preprocessing
) -> Any:
    """Gives a network the comparison's images, and float32 logits whatever it computes in."""
    images = keras.Input(image_shape, name="images")
    inputs = images
    if input_shape != image_shape:
        inputs = keras.layers.Resizing(*input_shape[:2], name="enlarge")(inputs)
    if any(isinstance(layer, keras.layers.Rescaling) for layer in network.layers):
        # EfficientNet scales 0..255 itself.
        scale, offset = (255 * np.array(values, "float32") for values in (preprocessing.std, preprocessing.mean))
        inputs = keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="pixels")(inputs)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(network(inputs))
    return keras.Model(images, logits, name=network.name)
