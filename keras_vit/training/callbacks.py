"""Keras callbacks of a training run: repeatable draws, the history, the best model so far, and a clean stop."""

import csv
import io
import signal
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import keras
import numpy as np

from keras_vit.files import write_file


class EpochSeeds(keras.callbacks.Callback):
    """Makes every random draw of an epoch depend on the run's seed and the epoch alone.

    Keras saves no random state with the weights. With this, a resumed run draws what the uninterrupted one would have.

    Args:
        seed: Seed of the run.
        train: Training data; its `epoch` is set where it has one.
    """

    def __init__(self, seed: int, train: Any) -> None:
        super().__init__()
        self.seed = seed
        self.train = train

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if hasattr(self.train, "epoch"):
            self.train.epoch = epoch
        states = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        for index, state in enumerate(states):
            draws = (
                np.random.SeedSequence([self.seed, epoch, index]).generate_state(2) >> 1
            )  # torch has no unsigned state
            state.assign(draws.astype(keras.backend.standardize_dtype(state.dtype)))


class History(keras.callbacks.Callback):
    """Writes one row per epoch, with the learning rate; a resumed run goes on below the rows that it keeps.

    The file is replaced as a whole, so it never holds half a row. Where it cannot be written, one warning says so, and
    the next epoch tries again.

    Args:
        path: The CSV file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, Any]] | None = None
        self.error: OSError | None = None  # of the last try
        self.has_warned = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.rows is None:  # only now it is known where the run goes on
            self.rows = _rows_before(self.path, epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": epoch, **dict(sorted((logs or {}).items())), "learning_rate": learning_rate}
        self.rows = [*(self.rows or []), row]
        self._write()
        if self.error is not None and not self.has_warned:
            self.has_warned = True
            warnings.warn(f"{self.path} could not be written: {self.error}. Training goes on.", stacklevel=2)

    def finish(self) -> None:
        """Writes what could not be written yet.

        Raises:
            OSError: It still cannot.
        """
        if self.error is not None:
            self._write()
        if self.error is not None:
            raise self.error

    def _write(self) -> None:
        rows = self.rows or []
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[-1]), restval="")
        writer.writeheader()
        writer.writerows(rows)
        try:
            write_file(self.path, text.getvalue())
            self.error = None
        except OSError as error:
            self.error = error


class KeepBest(keras.callbacks.Callback):
    """Calls `save` after each epoch whose validation accuracy is higher than any before.

    Where saving fails, one warning says so, and the next epoch that is better than what was saved tries again.

    Args:
        save: Takes the epoch, counted from 1, and its validation accuracy.
        best: Validation accuracy reached before, share; what a resumed run has to beat.
    """

    def __init__(self, save: Callable[[int, float], None], best: float = -1.0) -> None:
        super().__init__()
        self.save = save
        self.best = best
        self.has_warned = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        accuracy = float((logs or {})["val_accuracy"])
        if accuracy <= self.best:
            return
        try:
            self.save(epoch + 1, accuracy)
        except OSError as error:  # the disk is full
            if not self.has_warned:
                self.has_warned = True
                warnings.warn(f"The best model so far: {error} Training goes on.", stacklevel=2)
            return
        self.best = accuracy


class StopBetweenBatches(keras.callbacks.Callback):
    """Holds Ctrl-C back until a batch is done, so that no file or weight is left half written.

    A second Ctrl-C stops at once. Used as a context manager around `model.fit`, and passed to it.

    Args:
        before_stop: Called before the training stops between two batches.

    Raises:
        KeyboardInterrupt: At the end of the batch during which Ctrl-C was pressed.
    """

    def __init__(self, before_stop: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.before_stop = before_stop

    def __enter__(self) -> Self:
        self.is_asked = False
        self.previous: Any = None
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread set handlers
            self.previous = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.is_asked and self.before_stop is not None:
            self.before_stop()
        self._stop_if_asked()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop_if_asked()

    def _ask(self, signal_number: int, frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True

    def _stop_if_asked(self) -> None:
        if self.is_asked:
            raise KeyboardInterrupt


def _rows_before(path: Path, epoch: int) -> list[dict[str, Any]]:
    """Returns the rows of earlier epochs; later ones are trained again: the run died before they were backed up."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole = [row for row in rows if None not in row.values() and None not in row]
    return [row for row in whole if int(row.get("epoch", epoch)) < epoch]
