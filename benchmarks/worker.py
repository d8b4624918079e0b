"""A process that holds one contender and does one timed thing at a time, as asked by lines of JSON.

Started by benchmarks.rotation as `python -m benchmarks.worker CONTENDER`; requests come on stdin, replies go to stdout.
"""

import gc
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS, Contender, Job
from benchmarks.machine import usable_cores


def main() -> None:
    """Answers requests until stdin ends."""
    # Libraries print to stdout; the replies get a channel of their own.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    contender = CONTENDERS[sys.argv[1]]()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = answer(contender, **request)
        except Exception:
            reply = {"error": traceback.format_exc()}
        replies.write(json.dumps(reply) + "\n")


def answer(
    contender: Contender, *, do: str, job: dict[str, Any] | None = None, folder: str = "", seconds: float = 0.0
) -> dict[str, Any]:
    """Does one thing and returns {"seconds": ..., "peak_mb": ...}, for "import" also the parts."""
    work = Job(**job) if job else Job()
    reply: dict[str, Any] = {}
    start = time.perf_counter()
    match do:
        case "import":
            reply["parts"] = contender.import_packages()
            reply["has_tensorflow"] = "tensorflow" in sys.modules
        case "build":
            contender.build(work)
        case "save":
            contender.save(Path(folder))
        case "load":
            contender.load(work, Path(folder))
        case "prepare":
            contender.prepare(work)
        case "call":
            contender.step()
        case "repeat":
            return seconds_of_call(contender, at_least=seconds)
        case "drop":
            contender.model, contender.step = None, lambda: None
            gc.collect()
    reply["seconds"] = time.perf_counter() - start
    reply["peak_mb"] = peak_memory_mb()
    return reply


def seconds_of_call(contender: Contender, *, at_least: float) -> dict[str, float]:
    """Mean seconds of a call over the calls that fill `at_least` seconds, after one that warms caches."""
    start = time.perf_counter(), time.process_time()
    contender.step()
    num_calls = 1
    if time.perf_counter() - start[0] < at_least:  # long calls gain nothing from warm caches
        start = time.perf_counter(), time.process_time()
        num_calls = 0
        while time.perf_counter() - start[0] < at_least:
            contender.step()
            num_calls += 1
    wall, processor = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"wall": wall / num_calls, "processor": processor / num_calls / usable_cores()}


def peak_memory_mb() -> float:
    """Largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 1024
    # Elsewhere the figure may include the parent's memory at the start of the process.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


if __name__ == "__main__":
    main()
