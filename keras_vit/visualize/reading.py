"""What goes into the encoder layers of a model, image by image, and which layers are asked for."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_vit.layers import PrefixTokens
from keras_vit.models import VisionModel
from keras_vit.visualize.gradients import without_gradients

Layers: TypeAlias = int | Sequence[int] | str  # numbers, negative from the last, or "all"


class Reading(NamedTuple):
    """One image on its way through a model."""

    grid: tuple[int, int]  # rows and columns of the first patches, which a sequence of tokens holds
    values: list[Any]  # what was asked for, with a batch of one


def encoder_layers(model: Any, who: str) -> list[Any]:
    """Returns the encoder layers of a model, in order.

    Raises:
        ValueError: The model has none whose attention can be read.
    """
    layers = [layer for layer in getattr(model, "layers", []) if re.fullmatch(r"encoder_\d+", layer.name)]
    if not isinstance(model, VisionModel) or not layers or not hasattr(layers[0], "attention_scores"):
        raise ValueError(
            f"{who} needs a model of this package with attention, such as keras_vit.ViT; got {type(model).__name__} "
            f"{getattr(model, 'name', '')!r}."
        )
    return layers


def choose_layers(layers: Layers, depth: int, who: str) -> list[int]:
    """Returns the numbers, from 0, of the layers that a user asks for.

    Raises:
        ValueError: A number is out of range, or there is none.
    """
    if isinstance(layers, str) and layers == "all":
        return list(range(depth))
    given: list[Any] = [layers] if isinstance(layers, int | str) else list(layers)
    if not given or not all(isinstance(number, int | np.integer) and -depth <= number < depth for number in given):
        raise ValueError(
            f"{who} needs layers from 0 to {depth - 1}, from -{depth} to -1 counted from the last, or 'all'; "
            f"got {layers!r}."
        )
    return [int(number) % depth for number in given]


def inputs_of(layer: Any) -> list[Any]:
    """Returns what a layer is called with in its model: tokens, and with some layers rotations."""
    return list(layer.input) if isinstance(layer.input, list | tuple) else [layer.input]


def read_images(model: VisionModel, images: Any, tensors: Sequence[Any], who: str) -> Iterator[Reading]:
    """Computes tensors inside of a model, and nothing beyond them, for one image after the other.

    Args:
        model: The model.
        images: Its input, (batch, height, width, channels).
        tensors: What to compute, or lists of it, such as `inputs_of(layer)`.
        who: Who asks, for errors.

    Raises:
        ValueError: The images are of another shape than the model takes.
    """
    pixels = _check_images(model, images, who)
    part = keras.Model(model.input, [model.get_layer("patch_embedding").output, *tensors])
    for index in range(len(pixels)):
        with without_gradients():
            patches, *values = part(pixels[index : index + 1], training=False)
        yield Reading((int(patches.shape[1]), int(patches.shape[2])), values)


def num_prefix_tokens(model: VisionModel) -> int:
    """Returns how many tokens stand in front of the patches."""
    prefix = _prefix_layer(model)
    return 0 if prefix is None else prefix.num_prefix_tokens


def has_class_token(model: VisionModel) -> bool:
    """Whether the first token is one that gathers what the head reads."""
    prefix = _prefix_layer(model)
    return prefix is not None and prefix.use_class_token


def read_scores(layer: Any, inputs: list[Any]) -> np.ndarray:
    """Returns the attention weights of a layer for one image, float32 (num_heads, ...) as the layer orders them."""
    with without_gradients():
        scores = ops.convert_to_numpy(ops.cast(_Scores(layer)(inputs), "float32"))
    return np.asarray(scores)[0]


class _Scores(keras.layers.Layer):
    """Has Keras call `attention_scores` as it calls the layer itself: with inputs and weights in its precision."""

    def __init__(self, layer: Any) -> None:
        super().__init__(dtype=layer.dtype_policy, autocast=layer.autocast)
        self.layer = layer

    def call(self, inputs: list[Any]) -> Any:
        return self.layer.attention_scores(*inputs)


def _prefix_layer(model: VisionModel) -> PrefixTokens | None:
    return next((layer for layer in model.layers if isinstance(layer, PrefixTokens)), None)


def _check_images(model: VisionModel, images: Any, who: str) -> np.ndarray:
    pixels = images if isinstance(images, np.ndarray) else np.asarray(ops.convert_to_numpy(images))
    needed = (*(model.config.image_size or ("height", "width")), model.config.in_channels)
    fits = pixels.ndim == 4 and all(
        isinstance(size, str) or size == found for size, found in zip(needed, pixels.shape[1:], strict=True)
    )
    if not fits or not len(pixels):
        raise ValueError(
            f"{who} needs model input, (batch, {', '.join(map(str, needed))}); got shape {pixels.shape}. "
            "model.preprocessing makes it from files and pixels."
        )
    return pixels
