"""Keras callbacks of a training run: repeatable draws, the history, the best model so far, and a clean stop."""

import csv
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import keras
import numpy as np


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


class History(keras.callbacks.CSVLogger):
    """Writes one row per epoch, with the learning rate; a resumed run goes on below the rows that it keeps.

    Used as a context manager around `model.fit`, and passed to it: the file is closed whatever happens.

    Args:
        path: The CSV file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), append=True)
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.on_train_end()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Opened by the first epoch: only then it is known where the run goes on.
        self.is_open = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.is_open:
            _drop_rows_from(self.path, epoch)
            super().on_train_begin()
            self.is_open = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        super().on_epoch_end(epoch, {**(logs or {}), "learning_rate": learning_rate})


class KeepBest(keras.callbacks.Callback):
    """Calls `save` after each epoch whose validation accuracy is higher than any before.

    Args:
        save: Takes the epoch, counted from 1, and its validation accuracy.
        best: Validation accuracy reached before, share; what a resumed run has to beat.
    """

    def __init__(self, save: Callable[[int, float], None], best: float = -1.0) -> None:
        super().__init__()
        self.save = save
        self.best = best

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        accuracy = float((logs or {})["val_accuracy"])
        if accuracy > self.best:
            self.save(epoch + 1, accuracy)
            self.best = accuracy


class StopBetweenBatches(keras.callbacks.Callback):
    """Holds Ctrl-C back until a batch is done, so that no file or weight is left half written.

    A second Ctrl-C stops at once. Used as a context manager around `model.fit`, and passed to it.

    Raises:
        KeyboardInterrupt: At the end of the batch during which Ctrl-C was pressed.
    """

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


def _drop_rows_from(path: Path, epoch: int) -> None:
    """Removes rows of epochs that will be trained again: the run may have died before they were backed up."""
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    column = header.index("epoch") if "epoch" in header else None
    kept = [row for row in rows if column is not None and len(row) == len(header) and int(row[column]) < epoch]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *kept] if kept else [])
