"""Relevance: which patches speak for a class, by attention weighted with its gradient."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_vit.layers.dot_product_attention import adjusted
from keras_vit.visualize.gradients import gradients, without_gradients
from keras_vit.visualize.reading import encoder_layers, inputs_of, num_prefix_tokens, read_images, read_scores
from keras_vit.visualize.rollout import require_global, start_row

Classes: TypeAlias = int | str | Sequence[int | str] | None


def relevance(model: Any, images: Any, classes: Classes = None) -> np.ndarray:
    """Returns how much the attention to each patch speaks for a class.

    For each layer, attention weights are multiplied with the gradient of the class' logit, and the positive products
    are averaged over the heads. These matrices A lead from the output token back to the patches as the product of all
    (identity + A). Where there is no class token, the mean of all patches takes its place.

    Gradients go back layer by layer, so memory holds the weights of one layer at a time, and the tokens of all.

    Args:
        model: A model of this package with a head, whose layers all have global attention.
        images: Model input, (batch, height, width, channels).
        classes: Number or label of a class, for all images or in a list for each; None takes the most probable one.

    Returns:
        float32 (images, rows, columns), >= 0; 0 where nothing in a patch speaks for the class.

    Raises:
        ValueError: The model has no logits or its attention is not global, a class is unknown, or images are of the
            wrong shape.

    Source: Chefer et al., "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
        Transformers", 2021, arXiv 2103.15679, equations 5 and 6, for self-attention.
    """
    layers = encoder_layers(model, "relevance")
    if not model.config.num_classes or len(model.outputs[0].shape) != 2:
        raise ValueError(
            f"relevance needs one vector of logits per image; got num_classes={model.config.num_classes}, "
            f"output shape {tuple(model.outputs[0].shape)}. Use a model with a head and a pooling."
        )
    numbers = _class_numbers(model, classes, len(images))
    head = keras.Model(layers[-1].output, model.output)
    tensors = [*(inputs_of(layer) for layer in layers), layers[-1].output]
    first_patch = num_prefix_tokens(model)
    maps = []
    for reading, number in zip(read_images(model, images, tensors, "relevance"), numbers, strict=True):
        start = start_row(model, reading.grid, None, "relevance")
        row, (slope, size) = start, _head_slope(head, reading.values[-1], number)
        for layer, inputs in zip(reversed(layers), reversed(reading.values[:-1]), strict=True):
            scores = read_scores(layer, inputs)
            require_global(scores, len(start), layer, "relevance")
            slope, weight_slopes = _layer_slopes(layer, inputs, slope, scores)
            positive = np.maximum(weight_slopes * scores, 0).mean(axis=0) * size
            row = row + row @ positive
            slope, size = _rescale(slope, size)
        maps.append((row - start)[first_patch:].reshape(reading.grid))
    return np.stack(maps).astype("float32")


def _class_numbers(model: Any, classes: Classes, num_images: int) -> list[int | None]:
    given = [classes] * num_images if classes is None or isinstance(classes, int | str | np.integer) else list(classes)
    num_classes, labels = model.config.num_classes, list(model.labels or ())
    numbers: list[Any] = [labels.index(each) if each in labels else each for each in given]
    for number in numbers:
        is_number = isinstance(number, int | np.integer) and 0 <= number < num_classes
        if number is not None and not is_number:
            raise ValueError(
                f"relevance needs a class from 0 to {num_classes - 1}, or a label of the model; got {number!r}."
            )
    if len(numbers) != num_images:
        raise ValueError(f"relevance needs one class, or one for each of {num_images} images; got {len(numbers)}.")
    return numbers


def _head_slope(head: Any, tokens: Any, number: int | None) -> tuple[np.ndarray, float]:
    """Returns the gradient of a class' logit with respect to the last layer's tokens."""
    if number is None:
        with without_gradients():
            number = int(np.argmax(ops.convert_to_numpy(head(tokens, training=False))[0]))
    (slope,) = gradients(lambda tokens: ops.cast(head(tokens, training=False)[0, number], "float32"), tokens)
    return _rescale(_to_numpy(slope), 1.0)


def _layer_slopes(
    layer: Any, inputs: list[Any], slope: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gradients with respect to a layer's tokens and its attention weights, given that of its output."""
    has_weights = False

    def value(tokens: Any, offsets: Any) -> Any:
        def add(weights: Any) -> Any:
            nonlocal has_weights
            has_weights = True
            return weights + offsets

        with adjusted(add):
            outputs = layer(tokens, *inputs[1:], training=False)
        # PyTorch wants each tensor to have a part in the value.
        return ops.sum(ops.cast(outputs, "float32") * ops.convert_to_tensor(slope)) + 0 * ops.sum(offsets)

    offsets = ops.zeros((1, *scores.shape), dtype="float32")
    token_slope, weight_slopes = gradients(value, inputs[0], offsets)
    if not has_weights:
        raise ValueError(
            f"relevance needs attention that goes through layers.dot_product_attention; that of {type(layer).__name__} "
            f"{layer.name!r} does not. attention_maps and rollout need no gradients."
        )
    return _to_numpy(token_slope), _to_numpy(weight_slopes)[0]


def _rescale(slope: np.ndarray, size: float) -> tuple[np.ndarray, float]:
    """Takes the size out of a gradient: as it is, half precision would lose its smallest values."""
    largest = float(np.abs(slope).max()) or 1.0
    return slope / largest, size * largest


def _to_numpy(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))
