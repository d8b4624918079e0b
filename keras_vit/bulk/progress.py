"""Progress of a prediction in bulk: images per second, and the time left as soon as the images are counted."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keras_vit.bulk.listing import iterate_images

_LINE_INTERVAL = 30  # seconds between lines where there is no terminal


class BulkProgress:
    """Counts the images in a thread of its own while the first are already predicted.

    Args:
        console: The `rich.console.Console` it is shown on, or None.
        folder: Whose images.
        num_done: How many are done already.
    """

    def __init__(self, console: Any, folder: Path, num_done: int) -> None:
        self.console = console
        self.folder = folder
        self.num_before = self.num_done = num_done
        self.total: int | None = None
        self.bar: Any = None
        self.start = self.last_line = time.monotonic()
        self.is_over = threading.Event()

    def __enter__(self) -> Self:
        if self.console is None:
            return self
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.fields[facts]}"), BarColumn(bar_width=None), TimeRemainingColumn(compact=True))
            self.bar = Progress(*columns, console=self.console, expand=True)
            self.task = self.bar.add_task("", total=None, facts="")
            self.bar.start()
        threading.Thread(target=self._count, daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.is_over.set()
        if self.bar is not None:
            self.bar.stop()
        elif self.console is not None and error is None:
            self._print()

    def advance(self, num_images: int) -> None:
        """Notes that so many images more are predicted."""
        self.num_done += num_images
        if self.bar is not None:
            total = None if self.total is None else self.total - self.num_before
            self.bar.update(self.task, completed=self.num_done - self.num_before, total=total, facts=self._facts())
        elif self.console is not None and time.monotonic() - self.last_line > _LINE_INTERVAL:
            self._print()

    def _print(self) -> None:
        self.last_line = time.monotonic()
        self.console.print(self._facts() + self._time_left(), soft_wrap=True, markup=False, highlight=False)

    def _facts(self) -> str:
        total = "" if self.total is None else f" of {self.total:,}"
        return f"{self.num_done:,}{total} images  {self._rate():,.0f} img/s"

    def _rate(self) -> float:
        return (self.num_done - self.num_before) / max(time.monotonic() - self.start, 1e-9)

    def _time_left(self) -> str:
        if not self.total or self.num_done >= self.total or not self._rate():
            return ""
        left = round((self.total - self.num_done) / self._rate())
        return f"  {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"

    def _count(self) -> None:
        number = 0
        try:
            for number, _ in enumerate(iterate_images(self.folder), 1):  # noqa: B007 - the last number is the count
                if self.is_over.is_set():
                    return
        except OSError:
            return  # the prediction itself will say what is wrong
        self.total = number
