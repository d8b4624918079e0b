"""Contenders in processes of their own, asked in turn, so that the machine's noise hits all of them alike."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, Any, cast

from rich.console import Console

from benchmarks.contenders import Job

console = Console(stderr=True)

# Thread pools go on spinning for up to 0.2 s after the work of the last contender.
SETTLE_SECONDS = 0.25


class WorkerError(RuntimeError):
    """A contender could not do what it was asked; the message holds its traceback."""


class Worker:
    """A process that holds one contender.

    Args:
        contender: A key of benchmarks.contenders.CONTENDERS.
        backend: "tensorflow", "jax" or "torch"; read by the Keras packages only.
    """

    def __init__(self, contender: str, backend: str) -> None:
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "2",
            # Several processes share a GPU: none may take all of its memory.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        self.contender = contender
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contender],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._requests = cast(IO[str], self._process.stdin)
        self._replies = cast(IO[str], self._process.stdout)

    def ask(self, do: str, job: Job | None = None, **arguments: Any) -> dict[str, Any]:
        """Has the contender do one thing and returns its reply."""
        request = {"do": do, "job": asdict(job) if job else None, **arguments}
        try:
            print(json.dumps(request), file=self._requests, flush=True)
            line = self._replies.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            raise WorkerError(f"{self.contender} ended with {self._process.wait()}:\n{self._log.read()[-2000:]}")
        reply = json.loads(line)
        if "error" in reply:
            raise WorkerError(f"{self.contender} failed at {do!r}:\n{reply['error']}")
        return reply

    def close(self) -> None:
        """Ends the process."""
        try:
            self._requests.close()
            self._process.wait(timeout=10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def running_workers(contenders: list[str], backend: str) -> Iterator[dict[str, Worker]]:
    """Starts a process for each contender and imports its package; those that cannot are reported and left out."""
    started: dict[str, Worker] = {}
    try:
        for contender in contenders:
            started[contender] = Worker(contender, backend)
        yield {name: worker for name, worker in started.items() if succeeds(worker, lambda w: w.ask("import"))}
    finally:
        for worker in started.values():
            worker.close()


def succeeds(worker: Worker, action: Callable[[Worker], Any]) -> bool:
    """Whether the contender could do it; if not, says why on stderr."""
    try:
        action(worker)
    except WorkerError as error:
        console.print(f"[yellow]left out:[/] {error}", highlight=False)
        return False
    return True


def alternate(
    measures: Mapping[str, Callable[[], dict[str, float]]], repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Takes one measurement of each contender in turn, `repeats` times, each round starting with another one.

    Args:
        measures: For each contender, what takes one measurement and returns named values.
        repeats: Number of rounds, >= 1.

    Returns:
        For each contender and name the values of all rounds. Contenders that fail are reported and left out.
    """
    results: dict[str, dict[str, list[float]]] = {name: {} for name in measures}
    for round_index in range(repeats):
        names = list(results)
        first = round_index % max(len(names), 1)
        for name in names[first:] + names[:first]:
            time.sleep(SETTLE_SECONDS)
            try:
                values = measures[name]()
            except WorkerError as error:
                console.print(f"[yellow]left out:[/] {error}", highlight=False)
                del results[name]
                continue
            for key, value in values.items():
                results[name].setdefault(key, []).append(value)
    return results
