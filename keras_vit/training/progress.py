"""Progress of a training run: a bar in a terminal, one plain line per epoch elsewhere."""

import time
from types import TracebackType
from typing import Any, Self

import keras

# Reading a metric waits for the device, so the bar asks for it this often and no more, seconds.
_REFRESH_INTERVAL = 0.2


class TrainingProgress(keras.callbacks.Callback):
    """Shows epoch, loss, accuracy, images per second and time left.

    Used as a context manager around `model.fit`, and passed to it: the bar is taken down whatever happens.

    Args:
        console: The `rich.console.Console` it is shown on.
        num_epochs: Epochs of the whole run.
        num_images: Images per epoch.
        steps_per_epoch: Batches in a whole epoch; a resumed run may have fewer of them left.
    """

    def __init__(self, console: Any, *, num_epochs: int, num_images: int, steps_per_epoch: int) -> None:
        super().__init__()
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = console
        self.num_epochs = num_epochs
        self.images_per_step = num_images / steps_per_epoch
        self.steps_per_epoch = steps_per_epoch
        self.first_epoch: int | None = None
        self.validation_accuracy: float | None = None
        self.epoch_seconds: list[float] = []
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.bar.stop()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.first_epoch is None:
            self.first_epoch = epoch
            # The resumed part only, or its first epoch would be taken for very fast.
            self.task = self.bar.add_task("", total=float(self.num_epochs - epoch), epoch="", facts="")
            self.bar.start()
        self.epoch = epoch
        self.epoch_start = self.last_refresh = time.monotonic()
        self.bar.update(self.task, epoch=f"{epoch + 1}/{self.num_epochs}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        self.images_per_second = (batch + 1) * self.images_per_step / (now - self.epoch_start)
        if not self.console.is_terminal or now - self.last_refresh < _REFRESH_INTERVAL:
            return
        self.last_refresh = now
        steps_left = (self.params.get("steps") or self.steps_per_epoch) - batch - 1
        completed = self.epoch - (self.first_epoch or 0) + 1 - steps_left / self.steps_per_epoch
        self.bar.update(self.task, completed=completed, facts=self._facts(logs or {}))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch_seconds.append(time.monotonic() - self.epoch_start)
        self.validation_accuracy = (logs or {}).get("val_accuracy")
        facts = self._facts(logs or {})
        self.bar.update(self.task, completed=epoch + 1 - (self.first_epoch or 0), facts=facts)
        if not self.console.is_terminal:
            line = f"epoch {epoch + 1}/{self.num_epochs}  {facts}  {self._time_left()} left"
            self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def _facts(self, logs: dict[str, Any]) -> str:
        facts = f"loss {float(logs['loss']):.3f}  accuracy {float(logs['accuracy']):.1%}"
        if self.validation_accuracy is not None:
            facts += f"  test {self.validation_accuracy:.1%}"
        return f"{facts}  {self.images_per_second:,.0f} img/s".replace("%", " %")

    def _time_left(self) -> str:
        # The first epoch also compiles: it says little about the others.
        seconds = self.epoch_seconds[1:] or self.epoch_seconds
        left = round(sum(seconds) / len(seconds) * (self.num_epochs - self.epoch - 1))
        return f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
