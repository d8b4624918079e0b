"""Accuracy of a model on a data set, with the counts behind it and the worst mistakes."""

import collections
import dataclasses
import heapq
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_vit import data as keras_vit_data
from keras_vit import models
from keras_vit.training.run_settings import dataset_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """An image that was given the wrong class."""

    image: str  # its path, or "image NUMBER" in the data set, from 0
    true: str  # class name
    predicted: str  # class name
    probability: float  # of the predicted class, by the model
    pixels: np.ndarray = dataclasses.field(compare=False, repr=False)  # (height, width, channels), 0..1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How often a model named the right class, and which it named instead."""

    class_names: tuple[str, ...]
    num_images: tuple[int, ...]  # of each class
    num_correct: tuple[int, ...]  # of each class
    # Images by (true, predicted) class name, right ones too; pairs that never occurred are left out.
    counts: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()  # the most confident ones, worst first

    @property
    def accuracy(self) -> float:
        """Correct images / all images."""
        return sum(self.num_correct) / sum(self.num_images)

    @property
    def recalls(self) -> tuple[float | None, ...]:
        """Correct images / images, of each class; None for a class without images."""
        return tuple(
            correct / images if images else None
            for correct, images in zip(self.num_correct, self.num_images, strict=True)
        )

    @property
    def predicted_names(self) -> tuple[str, ...]:
        """The columns of `confusion`: the data's classes, then others that the model named."""
        others = {predicted for _, predicted in self.counts} - set(self.class_names)
        return (*self.class_names, *sorted(others))

    @property
    def confusion(self) -> np.ndarray:
        """The confusion matrix: images of each true class (row) that were given each class (column)."""
        rows, columns = self.class_names, self.predicted_names
        matrix = np.zeros((len(rows), len(columns)), dtype=int)
        row_of, column_of = ({name: index for index, name in enumerate(names)} for names in (rows, columns))
        for (true, predicted), count in self.counts.items():
            matrix[row_of[true], column_of[predicted]] = count
        return matrix

    def __str__(self) -> str:
        return describe_accuracy(sum(self.num_correct), sum(self.num_images))


def evaluate(
    model: Any, data: Any = "digits", *, batch_size: int = 64, strict: bool = False, num_mistakes: int = 16
) -> Evaluation:
    """Returns the accuracy of a model on held-out images, in all and per class, and its most confident mistakes.

        evaluation = keras_vit.training.evaluate("vit_digits", "digits")
        evaluation.confusion
        keras_vit.training.plot_mistakes(evaluation, "mistakes.png")

    Args:
        model: A model of this package with a head, or the name or folder of its preset.
        data: What `keras_vit.data.load` takes: its validation part is used. Or one of the data sets it returns.
        batch_size: Images per step, > 0; for data given by name.
        strict: Whether an unreadable image is an error; for data given by name.
        num_mistakes: How many mistakes to keep, with their images, >= 0.

    Raises:
        ValueError: The data set has classes that the model does not know, or a name is unknown.
    """
    if isinstance(model, str | os.PathLike):
        model = models.from_preset(model)
    if isinstance(data, str | os.PathLike):
        seed = _split_seed(model, os.fspath(data))
        _, data = keras_vit_data.load(
            data, preprocessing=model.preprocessing, batch_size=batch_size, seed=seed, strict=strict
        )
    names = tuple(data.class_names)
    columns = _columns(model, data)
    # Of each logit: the data's own name for it, or else the model's.
    predicted_names = [*(model.labels or names)]
    for name, column in zip(names, columns, strict=True):
        predicted_names[column] = name
    num_images, num_correct = [0] * len(names), [0] * len(names)
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    worst: list[tuple[float, int, Mistake]] = []  # a heap, least confident first
    for number, pixels, label, logits in _predictions(model, data):
        guess = int(np.argmax(logits))
        true, predicted = names[label], predicted_names[guess]
        num_images[label] += 1
        num_correct[label] += guess == columns[label]
        counts[true, predicted] += 1
        if guess == columns[label] or not num_mistakes:
            continue
        probability = float(1 / np.exp(logits - logits[guess]).sum())
        # Of equals, the first is worst: numbers break ties, mistakes themselves have no order.
        if len(worst) < num_mistakes or (probability, -number) > worst[0][:2]:
            mistake = Mistake(
                image=_image_name(data, number),
                true=true,
                predicted=predicted,
                probability=probability,
                pixels=_visible(pixels, data),
            )
            (heapq.heappush if len(worst) < num_mistakes else heapq.heapreplace)(worst, (probability, -number, mistake))
    return Evaluation(
        class_names=names,
        num_images=tuple(num_images),
        num_correct=tuple(int(count) for count in num_correct),
        counts=dict(counts),
        mistakes=tuple(mistake for *_, mistake in sorted(worst, reverse=True)),
    )


def describe_accuracy(num_correct: int, num_images: int) -> str:
    """Returns text such as "98.89 % (356 of 360 images)"."""
    return f"{100 * num_correct / num_images:.2f} % ({num_correct} of {num_images} images)"


def _predictions(model: Any, data: Any) -> Iterator[tuple[int, np.ndarray, int, np.ndarray]]:
    """Goes through the data image by image: number, model input, class number, logits."""
    number = 0
    for images, labels in data:
        images = np.asarray(images)
        all_logits = np.asarray(model.predict_on_batch(images), dtype="float64")
        for pixels, label, logits in zip(images, np.argmax(np.asarray(labels), axis=-1), all_logits, strict=True):
            yield number, pixels, int(label), logits
            number += 1


def _image_name(data: Any, number: int) -> str:
    return data.image_name(number) if hasattr(data, "image_name") else f"image {number}"


def _visible(pixels: np.ndarray, data: Any) -> np.ndarray:
    """Undoes the normalisation, as far as it is known: pixels in 0..1."""
    preprocessing = getattr(data, "preprocessing", None)
    if preprocessing is None:
        low, high = pixels.min(), pixels.max()
        return (pixels - low) / max(high - low, 1e-6)
    return np.clip(pixels * np.array(preprocessing.std) + np.array(preprocessing.mean), 0, 1).astype("float32")


def _split_seed(model: Any, data: str) -> int:
    """Returns the seed that parted the data when the model was trained, so that no training image is measured."""
    training = model.provenance.get("training") or {}
    return int(training.get("seed", 0)) if training.get("dataset") == dataset_name(data) else 0


def _columns(model: Any, data: Any) -> np.ndarray:
    """Returns, for each class of the data, its place among the model's logits."""
    if model.labels is None:
        if model.config.num_classes != data.num_classes:
            raise ValueError(
                f"Evaluation needs data of the model's classes; the head has {model.config.num_classes}, "
                f"the data {data.num_classes}."
            )
        return np.arange(data.num_classes)
    if unknown := [name for name in data.class_names if name not in model.labels]:
        raise ValueError(
            f"Evaluation needs data of the model's classes; it does not know {', '.join(unknown[:5])}"
            f"{' ...' if len(unknown) > 5 else ''}. It knows {', '.join(model.labels[:5])}"
            f"{' ...' if len(model.labels) > 5 else ''}."
        )
    return np.array([model.labels.index(name) for name in data.class_names])
