"""Divergence: a run whose loss or weights are no longer numbers stops at once and says where."""

import math
from collections.abc import Callable
from typing import Any

import keras

from keras_vit.training.checkpoint_files import CheckpointFiles, Position

_MAX_NAMES = 10  # images in one message


class DivergedError(ValueError):
    """The loss or the weights of a training run became NaN or infinite."""


class DivergenceReport:
    """Writes the one error of a run that diverged: step, images, learning rate, last good checkpoint, what to do.

    Args:
        train: Training data; names the images of a batch where it has `names_of_batch`.
        files: The checkpoints of the run.
        advice: Returns what to do, one sentence.
    """

    def __init__(self, train: Any, files: CheckpointFiles, advice: Callable[[], str]) -> None:
        self.train = train
        self.files = files
        self.advice = advice

    def error(self, model: Any, epoch: int, batch: int, problem: str) -> DivergedError:
        """Returns the error.

        Args:
            model: The model, after the step.
            epoch: Counted from 0.
            batch: Of the epoch, counted from 0.
            problem: What is not finite, and its value.
        """
        step = epoch * len(self.train) + batch
        lines = [
            f"Training needs a finite {problem} in step {step + 1} (epoch {epoch + 1}, batch {batch + 1} of "
            f"{len(self.train)}), at learning rate {_learning_rate(model.optimizer, step):.3g}."
        ]
        if hasattr(self.train, "names_of_batch"):
            names = self.train.names_of_batch(batch)
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            lines.append(f"The batch: {', '.join(names[:_MAX_NAMES])}{more}.")
        kept = self.files.positions()
        good = f"{str(self.files.path(kept[0]))!r}, {kept[0]}" if kept else "none"
        lines += [f"Last good checkpoint: {good}.", self.advice()]
        return DivergedError("\n".join(lines))


class StopWhenDiverged(keras.callbacks.Callback):
    """Ends the run in the step whose loss is NaN or infinite, or after a validation whose loss is.

    The loss that Keras passes on is the epoch's mean so far: the first step that is not finite makes it so for good.

    Args:
        report: Writes the error.
        start: Where the run started or went on.

    Raises:
        DivergedError: From within `model.fit`.
    """

    def __init__(self, report: DivergenceReport, start: Position) -> None:
        super().__init__()
        self.report = report
        self.start = start

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch
        self.batch = self.start.first_batch(epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.batch = self.start.first_batch(self.epoch) + batch
        self._check("loss", logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._check("val_loss", logs)

    def _check(self, name: str, logs: dict[str, Any] | None) -> None:
        value = (logs or {}).get(name, 0.0)
        if not math.isfinite(value):
            what = {"loss": "loss", "val_loss": "validation loss"}[name]
            raise self.report.error(self.model, self.epoch, self.batch, f"{what}; got {value}")


def _learning_rate(optimizer: Any, step: int) -> float:
    """Returns the learning rate of a step, counted from 0; the run is over, so its step counter may be set."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of mixed precision
    if hasattr(optimizer.iterations, "assign"):
        optimizer.iterations.assign(step)
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
