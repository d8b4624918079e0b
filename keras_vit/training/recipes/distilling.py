"""Distillation: a teacher beside the model, whose answers the distillation token learns."""

import os
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit import models
from keras_vit.models.vision_model import VisionModel
from keras_vit.training.recipes.recipe import Recipe


@keras.saving.register_keras_serializable(package="keras_vit")
class TokenDistillation(keras.distillation.DistillationLoss):
    """What the last of the student's logits lack of the teacher's.

    Args:
        kind: "hard": cross-entropy with the teacher's most probable class. "soft": Kullback-Leibler divergence of the
            probabilities at a temperature, times its square.
        temperature: Divides the logits of "soft", > 0.

    Source: Touvron et al. (DeiT), 2021, arXiv 2012.12877, equations 2 and 3.
    """

    def __init__(self, kind: str = "hard", temperature: float = 1.0) -> None:
        self.kind = kind
        self.temperature = temperature
        # Named by a string, as by default, Keras 3.15 takes the divergence of the logits themselves.
        self._soft = keras.distillation.LogitsDistillation(temperature, loss=keras.losses.KLDivergence())

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        teacher_logits, student_logits = teacher_outputs[:, -1], student_outputs[:, -1]
        if self.kind == "soft":
            return self._soft.compute_loss(teacher_logits, student_logits)
        answers = ops.one_hot(ops.argmax(teacher_logits, axis=-1), ops.shape(teacher_logits)[-1])
        return ops.mean(ops.categorical_crossentropy(answers, student_logits, from_logits=True))

    def get_config(self) -> dict[str, Any]:
        return {"kind": self.kind, "temperature": self.temperature}


class _ClassTokenLoss(keras.Loss):
    """A loss of the first of the student's logits, the class token's."""

    def __init__(self, loss: keras.Loss) -> None:
        super().__init__(name="class_token_loss")
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.call(y_true, y_pred[:, 0])


class _MeanAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy of the mean of all logits, which the model itself returns."""

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(_mean_accuracy, name=name)


def _mean_accuracy(labels: Any, logits: Any) -> Any:
    return keras.metrics.categorical_accuracy(labels, ops.mean(logits, axis=1))


def distiller(
    recipe: Recipe, model: Any, teacher: Any, compile_arguments: dict[str, Any]
) -> tuple[keras.Model, dict[str, Any]]:
    """Returns Keras' Distiller for a model and its teacher, and the arguments of its `compile`.

    Both are given as models with one row of logits for each of the student's tokens, (batch, 1 or 2, num_classes).
    A model without distillation token has one row, which learns from labels and teacher alike.

    Args:
        recipe: The settings.
        model: The student.
        teacher: As in `prepare`.
        compile_arguments: What the student alone would be compiled with.

    Raises:
        ValueError: The teacher has other classes, or takes other images.
    """
    head = model.get_layer("head")
    rows = head.separate_scores(head.features(head.input))
    student = keras.Model(model.input, ops.stack(rows, axis=1), name=model.name)
    logits = _logits_of_teacher(teacher, model)
    guide = keras.Model(model.input, ops.stack([logits] * len(rows), axis=1), name="teacher")
    trainer = keras.distillation.Distiller(
        teacher=guide,
        student=student,
        distillation_losses=TokenDistillation(recipe.distillation, recipe.temperature),
        student_loss_weight=1 - recipe.distillation_weight,
    )
    arguments = {
        **compile_arguments,
        "loss": _ClassTokenLoss(compile_arguments["loss"]),
        "metrics": [_MeanAccuracy()],
    }
    return trainer, arguments


def _logits_of_teacher(teacher: Any, model: Any) -> Any:
    """Returns the teacher's logits as a function of the model's input."""
    if isinstance(teacher, str | os.PathLike):
        teacher = models.from_preset(teacher)
    if not isinstance(teacher, keras.Model):
        raise ValueError(
            f"Distillation needs the teacher to be a Keras model or the name of a preset; got {teacher!r}."
        )
    images = model.input
    if isinstance(teacher, VisionModel):
        images = _translate(images, model.preprocessing, teacher)
    teacher.trainable = False
    try:
        logits = teacher(images, training=False)
    except ValueError as error:
        raise ValueError(
            f"Distillation needs a teacher that takes the student's images {images.shape}; {error}"
        ) from error
    if tuple(logits.shape[1:]) != (model.config.num_classes,):
        raise ValueError(
            f"Distillation needs a teacher with the student's {model.config.num_classes} classes; it returns logits of "
            f"shape {tuple(logits.shape)}. Fine-tune the teacher on the same data first."
        )
    return ops.cast(logits, "float32")


def _translate(images: Any, preprocessing: Any, teacher: Any) -> Any:
    """Turns one preprocessing's images into another's: size and normalisation."""
    mine, theirs = preprocessing, teacher.preprocessing
    size = teacher.config.image_size
    if size is not None and tuple(size) != tuple(mine.image_size):
        images = keras.layers.Resizing(*size, interpolation="bilinear", antialias=True, dtype="float32")(images)
    mean, std = (np.resize(values, mine.num_channels) for values in (mine.mean, mine.std))
    their_mean, their_std = (np.resize(values, mine.num_channels) for values in (theirs.mean, theirs.std))
    scale, offset = std / their_std, (mean - their_mean) / their_std
    if np.allclose(scale, 1) and np.allclose(offset, 0):
        return images
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32")(images)
