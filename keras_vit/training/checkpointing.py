"""Checkpoints while training: a run that was killed goes on in the middle of an epoch, to the very same weights."""

import errno
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit.checkpoints.tensors import Array
from keras_vit.data.remaining import RemainingBatches
from keras_vit.models.whole_values import to_numpy
from keras_vit.training.checkpoint_files import CheckpointFiles, Position
from keras_vit.training.divergence import DivergenceReport


class TrainingCheckpoint(keras.callbacks.Callback):
    """Writes all that a run needs to go on, every few steps and at the end of each epoch.

    That is the model with its random states, the optimizer with its step, moments and averages, what the metrics
    have summed up, and the position in the data. Resumed on the same backend, a run on one device ends with the same
    bits as one that was never stopped. Where a checkpoint cannot be written, one warning says so, the training goes on,
    and the checkpoint before stays.

    Args:
        files: Where checkpoints lie.
        report: Writes the error about weights that are not finite; they are never written.
        steps_per_epoch: Batches in one pass, >= 1.
        every_steps: Steps from one checkpoint to the next within an epoch, >= 1. None: at the end of epochs only.

    Raises:
        DivergedError: From within `model.fit`: a weight is NaN or infinite.
    """

    def __init__(
        self, files: CheckpointFiles, report: DivergenceReport, *, steps_per_epoch: int, every_steps: int | None = None
    ) -> None:
        super().__init__()
        self.files = files
        self.report = report
        self.steps_per_epoch = steps_per_epoch
        self.every_steps = every_steps
        self.start = Position(0, 0)
        self.has_warned = False
        self._pending: dict[str, Array] = {}  # set back where the epoch that was broken off goes on
        self._weights: list[Array] | None = None

    def restore(self, model: Any) -> Position:
        """Sets a compiled model and its optimizer to the newest checkpoint; returns where the run goes on.

        Raises:
            ValueError: The checkpoint is another backend's or another model's, or all checkpoints are damaged.
        """
        found = self.files.read()
        if found is None:
            return self.start
        self.start, arrays, metadata = found
        backend = keras.config.backend()
        if metadata.get("backend") != backend:
            raise ValueError(
                f"Resuming needs the backend that the run was started with, KERAS_BACKEND={metadata.get('backend')}; "
                f"got {backend}. Another one draws other random numbers."
            )
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        # Those of the metrics exist, and keep their values, only once the epoch has begun.
        lasting = {name: array for name, array in arrays.items() if not name.startswith("metrics/")}
        _assign(_variables(model, has_metrics=False), lasting)
        if self.start.batch:
            self._pending = {name: array for name, array in arrays.items() if name.startswith(("metrics/", "state/"))}
        return self.start

    def fit(self, model: Any, train: Any, *, epochs: int, callbacks: list[Any], **arguments: Any) -> None:
        """Calls `model.fit` from where the run is, first for the rest of an epoch that was broken off.

        Args:
            model: The compiled model, restored.
            train: Training data, a `keras.utils.PyDataset`.
            epochs: Of the whole run.
            callbacks: With this one among them.
            arguments: Others of `model.fit`.
        """
        epoch, batch = self.start
        if batch:
            rest = RemainingBatches(train, batch)
            model.fit(rest, initial_epoch=epoch, epochs=epoch + 1, callbacks=callbacks, **arguments)
            # fit may have ended by putting the optimizer's averages in place of the weights.
            for variable, value in zip(model.trainable_variables, self._weights or [], strict=True):
                variable.assign(value)
            self._weights = None
            epoch += 1
        model.fit(train, initial_epoch=epoch, epochs=epochs, callbacks=callbacks, **arguments)

    def save_now(self) -> None:
        """Writes a checkpoint between two batches; at the end of an epoch the epoch's own follows soon."""
        if 0 < self.batch < self.steps_per_epoch:
            self._save(Position(self.epoch, self.batch))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch
        self.batch = self.start.first_batch(epoch)
        if self._pending:
            _build_metrics(self.model)
            variables = _variables(self.model, has_metrics=True)
            _assign({name: variables[name] for name in variables if name in self._pending}, self._pending)
            self._pending = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        before, self.batch = self.batch, self.start.first_batch(self.epoch) + batch + 1
        if self.every_steps is not None:
            first = self.epoch * self.steps_per_epoch
            if (first + self.batch) // self.every_steps > (first + before) // self.every_steps:
                self.save_now()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._save(Position(epoch + 1, 0))
        if self.start.first_batch(epoch):
            self._weights = [to_numpy(variable) for variable in self.model.trainable_variables]

    def _save(self, position: Position) -> None:
        values = self.files.values(_variables(self.model, has_metrics=position.batch > 0))
        broken = [name for name, value in values.items() if not _is_finite(value)]
        if broken:
            names = ", ".join(name.split("/", 2)[-1] for name in broken[:5])
            raise self.report.error(
                self.model, self.epoch, self.batch - 1, f"value of every weight; got others in {names}"
            )
        try:
            self.files.write(position, values, {"backend": keras.config.backend()})
        except OSError as error:
            if not self.has_warned:
                self.has_warned = True
                warnings.warn(_explain(error, self.files), UserWarning, stacklevel=2)


def _variables(model: Any, *, has_metrics: bool) -> dict[str, Any]:
    """Returns every variable that a run changes, by a name that is the same in each program."""
    groups = {
        "weights": model.trainable_variables,
        "state": model.non_trainable_variables,  # with the states of random generators
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables if has_metrics else [],
    }
    # Numbers, because Keras counts up the names of layers that are built again; in optimizers the last word is free of
    # them: "momentum", "velocity", "average".
    return {
        f"{group}/{index:05d}/{variable.name.rpartition('_')[2] if group == 'optimizer' else variable.name}": variable
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def _assign(variables: dict[str, Any], arrays: dict[str, Array]) -> None:
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if wrong := sorted(set(shapes.items()) ^ {(name, array.shape) for name, array in arrays.items()}):
        listed = ", ".join(f"{name.split('/', 2)[-1]} {shape}" for name, shape in wrong[:5])
        raise ValueError(f"Resuming needs a checkpoint of the same model and optimizer; different are {listed}.")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _build_metrics(model: Any) -> None:
    """Makes the variables of the metrics, which some backends leave to the first batch."""
    student = getattr(model, "student", model)  # of a Distiller
    logits = np.zeros([size or 1 for size in (1, *student.output_shape[1:])], "float32")
    model.compute_metrics(None, np.zeros((1, logits.shape[-1]), "float32"), logits)


def _is_finite(value: Any) -> bool:
    """Whether numbers are neither NaN nor infinite; of a value that is split over devices, all of its parts."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "f" or bool(np.isfinite(value).all())
    return bool(keras.ops.all(keras.ops.isfinite(value)))


def _explain(error: OSError, files: CheckpointFiles) -> str:
    reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
    kept = files.positions()
    state = f"The checkpoint {kept[0]} is kept" if kept else "There is no checkpoint yet"
    return f"No checkpoint could be written to {str(Path(files.folder))!r}: {reason}. {state}; training goes on."
