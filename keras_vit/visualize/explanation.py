"""Explanation of one image: from a file to a picture of where the model looks."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from keras_vit.visualize.attention import Heads, attention_maps
from keras_vit.visualize.gradients import without_gradients
from keras_vit.visualize.plots import plot_overlays
from keras_vit.visualize.reading import Layers, choose_layers, encoder_layers
from keras_vit.visualize.relevance import relevance
from keras_vit.visualize.rollout import rollout

METHODS = ("attention", "rollout", "relevance")
_SHOWN_SIDE = 336  # pixels, at least, of the image in the picture


def explain(
    model: Any,
    image: Any,
    path: str | Path,
    method: str = "attention",
    *,
    layers: Layers = (-1,),
    heads: Heads = "mean",
    target: int | str | None = None,
) -> None:
    """Draws where a model looks in an image into a PNG file.

    Args:
        model: A model of this package.
        image: A path, PIL image or pixel array; shown as far as the model sees it.
        path: The PNG file.
        method: "attention" (`attention_maps`), "rollout" or "relevance".
        layers: As in `attention_maps`; for method "attention" only.
        heads: Likewise.
        target: Number or label of the class, for method "relevance"; None takes the most probable one.

    Raises:
        ValueError: The method is unknown, an argument is out of range, or the image can't be read.
        ImportError: matplotlib is not installed.
    """
    if method not in METHODS:
        raise ValueError(f"explain needs method to be one of {METHODS}; got {method!r}.")
    batch = model.preprocessing([image])
    probabilities = _probabilities(model, batch)
    columns = 6
    if method == "attention":
        maps = attention_maps(model, batch, layers, heads)[0]
        columns = maps.shape[1] if heads == "all" else columns
        titles = _titles(model, layers, heads, maps.shape[1])
        maps = maps.reshape(-1, *maps.shape[2:])
    elif method == "rollout":
        maps, titles = rollout(model, batch), ["rollout"]
    else:
        number = int(probabilities.argmax()) if target is None and probabilities is not None else target
        maps, titles = relevance(model, batch, number), [f"for {_label(model, number)}"]
    pixels = seen_pixels(model, image)
    plot_overlays([pixels], maps[None], path, titles=titles, heading=_heading(model, probabilities), columns=columns)


def seen_pixels(model: Any, image: Any) -> np.ndarray:
    """Returns the part of an image that the model sees, (height, width, 3) uint8, in more pixels than it sees.

    Args:
        model: A model of this package with 1 or 3 channels.
        image: A path, PIL image or pixel array.

    Raises:
        ValueError: The image can't be read, or is of other channels.
    """
    preprocessing = model.preprocessing
    factor = max(1, -(-_SHOWN_SIDE // min(preprocessing.image_size)))
    height, width = preprocessing.image_size
    larger = dataclasses.replace(preprocessing, image_size=(height * factor, width * factor))
    pixels = larger.resize_and_crop(image)
    if pixels.shape[-1] not in (1, 3):
        raise ValueError(
            f"A picture needs images of 1 or 3 channels; got {pixels.shape[-1]}. Draw the maps by themselves."
        )
    return pixels if pixels.shape[-1] == 3 else np.repeat(pixels, 3, axis=-1)


def _titles(model: Any, layers: Layers, heads: Heads, num_heads: int) -> list[str]:
    encoders = encoder_layers(model, "explain")
    numbers = choose_layers(layers, len(encoders), "explain")
    if heads == "mean":
        return [f"layer {number}" for number in numbers]
    names = range(num_heads) if heads == "all" else [heads]
    return [f"layer {number}, head {head}" for number in numbers for head in names]


def _probabilities(model: Any, batch: np.ndarray) -> np.ndarray | None:
    """Returns the probabilities of one image's classes, where the model has any."""
    if not model.config.num_classes or len(model.outputs[0].shape) != 2:
        return None
    with without_gradients():
        logits = ops.convert_to_numpy(ops.cast(model(batch, training=False), "float32"))[0]
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _label(model: Any, target: int | str | None) -> str:
    return str(model.labels[target] if model.labels and isinstance(target, int) else target)


def _heading(model: Any, probabilities: np.ndarray | None) -> str:
    if probabilities is None:
        return ""
    best = int(probabilities.argmax())
    return f"{_label(model, best)}: {100 * probabilities[best]:.1f} %"
