"""The measurements: each returns one markdown table."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.contenders import Job, flops_of_ceiling, flops_of_forward
from benchmarks.machine import BusyMeter
from benchmarks.report import Row, table
from benchmarks.rotation import Worker, alternate, console, running_workers, succeeds

CEILING = "ceiling"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all measurements share."""

    backend: str  # "tensorflow", "jax" or "torch"; only the Keras packages have a choice
    contenders: list[str]  # the first is compared with the others
    repeats: int  # rounds
    seconds: float  # least duration of one repetition
    clock: str  # "wall", or "processor": seconds of work shared among all cores
    meter: BusyMeter  # runs since the options were read


def throughput(settings: Settings, jobs: list[Job]) -> str:
    """Builds each model in all contenders and times whole calls in turn, beside a plain matrix product."""
    rows = []
    with running_workers([*settings.contenders, CEILING], settings.backend) as running:
        for job in jobs:
            console.print(f"{job.task} {job.model} batch {job.batch} {job.dtype}", highlight=False)
            ready = {name: worker for name, worker in running.items() if succeeds(worker, warm_up(job))}
            results = alternate(
                {name: repetition(worker, settings) for name, worker in ready.items()}, settings.repeats
            )
            seconds = {name: found[settings.clock] for name, found in results.items()}
            ceiling = seconds.pop(CEILING, None)
            if settings.clock == "processor":
                ceiling = None  # two threads on one physical core take longer than one: shares would mislead
            rows.append(
                Row(
                    labels=(job.model, str(job.batch), job.dtype),
                    values=seconds,
                    images=job.batch,
                    flops=flops_of_forward(job.model) * job.batch * (3 if job.task == "train" else 1),
                    ceiling=flops_of_ceiling() / median(ceiling) if ceiling else None,
                )
            )
            for name in results:
                running[name].ask("drop")
    title = "Forward" if jobs[0].task == "forward" else "Training step"
    return table(f"{title}, {settings.backend}", ("model", "batch", "dtype"), rows, settings.contenders, "seconds")


def imports(settings: Settings) -> str:
    """Times imports in fresh processes."""
    console.print("import", highlight=False)
    notes = {}

    def measure(name: str) -> dict[str, float]:
        with fresh_worker(name, settings) as worker:
            reply = worker.ask("import")
        framework, package = reply["parts"].values()
        if reply["has_tensorflow"] and settings.backend != "tensorflow":
            notes[name] = "imports TensorFlow"
        return {"keras or torch": framework, "the package on top": package, "both": framework + package}

    measures = {name: with_name(measure, name) for name in settings.contenders}
    alternate(measures, 1)  # brings the files into the system's cache
    results = alternate(measures, settings.repeats)
    parts = ("keras or torch", "the package on top", "both")
    rows = [
        Row(
            labels=(part,),
            values={name: found[part] for name, found in results.items()},
            notes=notes if part == "the package on top" else {},
        )
        for part in parts
    ]
    return table(f"Import, {settings.backend}", ("import of",), rows, settings.contenders, "seconds")


def start_up(settings: Settings, model: str) -> str:
    """Times building, loading and the first calls in fresh processes, and measures the memory that loading needs."""
    console.print(f"build {model}", highlight=False)
    job = Job(model=model, batch=1)
    with tempfile.TemporaryDirectory() as folder:

        def measure(name: str) -> dict[str, float]:
            saved = Path(folder) / name
            with fresh_worker(name, settings) as worker:
                worker.ask("import")
                found = {"build, random weights": worker.ask("build", job)["seconds"]}
                worker.ask("prepare", job)
                found["first call"] = worker.ask("call")["seconds"]
                found["second call"] = worker.ask("call")["seconds"]
                if not saved.exists():
                    worker.ask("save", folder=str(saved))
            with fresh_worker(name, settings) as worker:
                imported = worker.ask("import")["peak_mb"]
                loaded = worker.ask("load", job, folder=str(saved))
            found["build, weights from a folder"] = loaded["seconds"]
            weights = sum(file.stat().st_size for file in saved.iterdir()) / 2**20
            return found | {"peak while loading": loaded["peak_mb"], "framework + weights": imported + weights}

        results = alternate({name: with_name(measure, name) for name in settings.contenders}, settings.repeats)
    parts = ("build, random weights", "build, weights from a folder", "first call", "second call")
    sizes = ("peak while loading", "framework + weights")
    seconds, memory = (
        [Row(labels=(part,), values={name: found[part] for name, found in results.items()}) for part in each]
        for each in (parts, sizes)
    )
    title = f"of {model}, {settings.backend}"
    return "\n\n".join(
        [
            table(f"Start {title}", ("step",), seconds, settings.contenders, "seconds"),
            table(f"Memory of loading {title}", ("resident",), memory, settings.contenders, "MB"),
        ]
    )


def peaks(settings: Settings, jobs: list[Job]) -> str:
    """Measures the largest resident memory of fresh processes."""
    rows = []
    for job in jobs:
        console.print(f"memory {job.task} {job.model} batch {job.batch}", highlight=False)

        def measure(name: str, job: Job = job) -> dict[str, float]:
            with fresh_worker(name, settings) as worker:
                imported = worker.ask("import")["peak_mb"]
                warm_up(job)(worker)
                peak = worker.ask("call")["peak_mb"]
            return {"in all": peak, "above import": peak - imported}

        results = alternate({name: with_name(measure, name) for name in settings.contenders}, settings.repeats)
        for part in ("in all", "above import"):
            values = {name: found[part] for name, found in results.items()}
            rows.append(Row(labels=(job.task, job.model, str(job.batch), part), values=values))
    headings = ("task", "model", "batch", "peak memory")
    return table(f"Memory, {settings.backend}", headings, rows, settings.contenders, "MB")


def rematerialization(settings: Settings, job: Job) -> str:
    """Measures memory and time of training steps with and without gradient checkpointing, in fresh processes."""
    console.print(f"remat {job.model} batch {job.batch} {job.dtype}", highlight=False)
    steps = replace(job, task="train")

    def measure(name: str) -> dict[str, float]:
        peak = {}
        for batch in (1, job.batch):  # a process for each: what it takes to compile one stays in it
            with fresh_worker(name, settings) as worker:
                worker.ask("import")
                worker.ask("build", steps)
                warm_up(replace(job, task="forward", batch=1), builds=False)(worker)
                forward = worker.ask("call")["peak_mb"]
                warm_up(replace(steps, batch=batch), builds=False)(worker)
                peak[batch] = worker.ask("call")["peak_mb"]
                seconds = repetition(worker, settings)()[settings.clock]
        return {
            "step, s": seconds,
            "above a forward call of 1 image, MB": peak[job.batch] - forward,
            # Without gradients and what the optimizer keeps, which are as large for one image.
            f"activations of {job.batch - 1} more images, MB": peak[job.batch] - peak[1],
        }

    results = alternate({name: with_name(measure, name) for name in settings.contenders}, settings.repeats)
    parts = list(dict.fromkeys(part for found in results.values() for part in found))
    rows = [
        Row(
            labels=(job.model, str(job.batch), job.dtype, part),
            values={name: found[part] for name, found in results.items()},
        )
        for part in parts
    ]
    headings = ("model", "batch", "dtype", "training step")
    return table(f"Gradient checkpointing, {settings.backend}", headings, rows, settings.contenders, "as the row says")


def warm_up(job: Job, *, builds: bool = True) -> Callable[[Worker], None]:
    """Has a worker build the model, or take the one it has, and call it until it is compiled."""

    def ask(worker: Worker) -> None:
        for step in (*(("build",) if builds else ()), "prepare", "call", "call"):
            worker.ask(step, job)

    return ask


def repetition(worker: Worker, settings: Settings) -> Callable[[], dict[str, float]]:
    """Has a worker time its calls once."""
    return lambda: worker.ask("repeat", seconds=settings.seconds)


def with_name(measure: Callable[[str], dict[str, float]], name: str) -> Callable[[], dict[str, float]]:
    """Binds the contender's name."""
    return lambda: measure(name)


@contextmanager
def fresh_worker(name: str, settings: Settings) -> Iterator[Worker]:
    """A process that lives for one measurement."""
    worker = Worker(name, settings.backend)
    try:
        yield worker
    finally:
        worker.close()
