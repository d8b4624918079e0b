"""Accuracy of a model on a data set, with the counts behind it."""

import dataclasses
import os
from typing import Any

import numpy as np

from keras_vit import data as keras_vit_data
from keras_vit import models
from keras_vit.training.run_settings import dataset_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How often a model named the right class."""

    class_names: tuple[str, ...]
    num_images: tuple[int, ...]  # of each class
    num_correct: tuple[int, ...]  # of each class

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

    def __str__(self) -> str:
        return describe_accuracy(sum(self.num_correct), sum(self.num_images))


def evaluate(model: Any, data: Any = "digits", *, batch_size: int = 64, strict: bool = False) -> Evaluation:
    """Returns the accuracy of a model on held-out images, in all and per class.

    Args:
        model: A model of this package with a head, or the name or folder of its preset.
        data: What `keras_vit.data.load` takes: its validation part is used. Or one of the data sets it returns.
        batch_size: Images per step, > 0; for data given by name.
        strict: Whether an unreadable image is an error; for data given by name.

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
    columns = _columns(model, data)
    num_images = np.zeros(len(columns), dtype=int)
    num_correct = np.zeros(len(columns), dtype=int)
    for images, labels in data:
        truth = np.argmax(np.asarray(labels), axis=-1)
        logits = model.predict_on_batch(np.asarray(images))
        np.add.at(num_images, truth, 1)
        np.add.at(num_correct, truth, np.argmax(logits, axis=-1) == columns[truth])
    return Evaluation(
        class_names=tuple(data.class_names),
        num_images=tuple(num_images.tolist()),
        num_correct=tuple(num_correct.tolist()),
    )


def describe_accuracy(num_correct: int, num_images: int) -> str:
    """Returns text such as "98.89 % (356 of 360 images)"."""
    return f"{100 * num_correct / num_images:.2f} % ({num_correct} of {num_images} images)"


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
