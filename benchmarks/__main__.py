"""Side-by-side measurements of keras_vit against KerasHub, timm and transformers.

Each contender runs in its own process; the processes are asked in turn, so that the machine's noise hits all alike.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.contenders import CONTENDERS, Job
from benchmarks.machine import BusyMeter, describe
from benchmarks.measurements import CEILING, Settings, imports, peaks, rematerialization, start_up, throughput
from benchmarks.models import MODELS
from benchmarks.rotation import console

PACKAGES = [name for name in CONTENDERS if name != CEILING]
RESULTS = Path(__file__).parent / "results"

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


class Backend(StrEnum):
    """Keras backends."""

    TENSORFLOW = "tensorflow"
    JAX = "jax"
    TORCH = "torch"


class Clock(StrEnum):
    """What counts as the time of a call."""

    WALL = "wall"
    PROCESSOR = "processor"


BackendOption = Annotated[Backend, typer.Option(help="Keras backend of keras_vit and KerasHub.")]
ContendersOption = Annotated[
    str, typer.Option(help=f"Comma-separated, the first is compared with the others: {', '.join(PACKAGES)}.")
]
RepeatsOption = Annotated[int, typer.Option(min=1, help="Rounds; each asks every contender once.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Two short rounds: tells whether it runs, not how fast.")]
XlaOption = Annotated[bool, typer.Option("--xla", help="jit_compile=True for the Keras packages, also on a CPU.")]
ClockOption = Annotated[
    Clock, typer.Option(help="processor: seconds of work shared among all cores, for a machine busy with other things.")
]
OutOption = Annotated[bool, typer.Option("--out", help="Also write benchmarks/results/DATE-NAME-BACKEND.md.")]
ModelsOption = Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(MODELS)}.")]
BatchOption = Annotated[str, typer.Option(help="Images a call, comma-separated.")]
DtypeOption = Annotated[str, typer.Option(help="Comma-separated: float32, bfloat16 (to train, mixed).")]

DEFAULT_CONTENDERS = "keras_vit,keras_hub,timm,transformers"


@app.command()
def forward(
    backend: BackendOption = Backend.TENSORFLOW,
    models: ModelsOption = "ti16,s16,b16",
    batch: BatchOption = "1,8",
    dtype: DtypeOption = "float32,bfloat16",
    contenders: ContendersOption = DEFAULT_CONTENDERS,
    repeats: RepeatsOption = 7,
    quick: QuickOption = False,
    xla: XlaOption = False,
    clock: ClockOption = Clock.WALL,
    out: OutOption = False,
) -> None:
    """Images per second of `predict_on_batch` and of the PyTorch packages under inference_mode."""
    settings = settings_from(backend, contenders, repeats, quick, clock)
    finish("forward", settings, [throughput(settings, jobs_from("forward", models, batch, dtype, xla))], out)


@app.command()
def train(
    backend: BackendOption = Backend.TENSORFLOW,
    models: ModelsOption = "s16",
    batch: BatchOption = "8",
    dtype: DtypeOption = "float32",
    contenders: ContendersOption = DEFAULT_CONTENDERS,
    repeats: RepeatsOption = 7,
    quick: QuickOption = False,
    xla: XlaOption = False,
    clock: ClockOption = Clock.WALL,
    out: OutOption = False,
) -> None:
    """Images per second of `train_on_batch` with AdamW and cross-entropy, and of a plain PyTorch loop."""
    settings = settings_from(backend, contenders, repeats, quick, clock)
    finish("train", settings, [throughput(settings, jobs_from("train", models, batch, dtype, xla))], out)


@app.command("import")
def import_time(
    backend: BackendOption = Backend.TENSORFLOW,
    contenders: ContendersOption = DEFAULT_CONTENDERS,
    repeats: RepeatsOption = 5,
    quick: QuickOption = False,
    out: OutOption = False,
) -> None:
    """Seconds of importing each package in a fresh process, apart from the framework below it."""
    settings = settings_from(backend, contenders, repeats, quick)
    finish("import", settings, [imports(settings)], out)


@app.command()
def build(
    backend: BackendOption = Backend.TENSORFLOW,
    models: ModelsOption = "b16",
    contenders: ContendersOption = DEFAULT_CONTENDERS,
    repeats: RepeatsOption = 5,
    quick: QuickOption = False,
    out: OutOption = False,
) -> None:
    """Seconds to build with random weights, to load from a folder, and of the first call, in fresh processes."""
    settings = settings_from(backend, contenders, repeats, quick)
    finish("build", settings, [start_up(settings, model) for model in words(models, MODELS)], out)


@app.command()
def memory(
    backend: BackendOption = Backend.TENSORFLOW,
    models: ModelsOption = "s16,b16",
    batch: BatchOption = "8",
    contenders: ContendersOption = DEFAULT_CONTENDERS,
    repeats: RepeatsOption = 3,
    quick: QuickOption = False,
    out: OutOption = False,
) -> None:
    """Largest resident memory of forward calls and of training steps, in fresh processes."""
    settings = settings_from(backend, contenders, repeats, quick)
    finish("memory", settings, [peaks(settings, memory_jobs(models, batch))], out)


@app.command()
def remat(
    backend: BackendOption = Backend.TENSORFLOW,
    models: ModelsOption = "s16",
    batch: BatchOption = "8",
    dtype: DtypeOption = "float32",
    repeats: RepeatsOption = 3,
    quick: QuickOption = False,
    clock: ClockOption = Clock.WALL,
    out: OutOption = False,
) -> None:
    """Memory and time of training steps with gradient checkpointing and without, in fresh processes."""
    settings = settings_from(backend, "keras_vit+remat,keras_vit", repeats, quick, clock)
    jobs = jobs_from("train", models, batch, dtype)
    finish("remat", settings, [rematerialization(settings, job) for job in jobs], out)


@app.command("all")
def everything(
    backend: BackendOption = Backend.TENSORFLOW,
    contenders: ContendersOption = DEFAULT_CONTENDERS,
    repeats: RepeatsOption = 7,
    quick: QuickOption = False,
    out: OutOption = False,
) -> None:
    """All of the above with their default sizes; with --quick the smallest only."""
    settings = settings_from(backend, contenders, repeats, quick)
    few = replace(settings, repeats=min(settings.repeats, 3))
    if quick:
        forward_jobs = jobs_from("forward", "ti16", "1", "float32")
        train_jobs = jobs_from("train", "ti16", "2", "float32")
        memory_models, memory_batch, start_up_model = "ti16", "2", "ti16"
    else:
        forward_jobs = jobs_from("forward", "ti16,s16,b16", "1,8", "float32,bfloat16")
        train_jobs = jobs_from("train", "s16", "8", "float32")
        memory_models, memory_batch, start_up_model = "s16,b16", "8", "b16"
    tables = [
        throughput(settings, forward_jobs),
        throughput(settings, train_jobs),
        imports(few),
        start_up(few, start_up_model),
        peaks(few, memory_jobs(memory_models, memory_batch)),
    ]
    finish("all", settings, tables, out)


def settings_from(backend: Backend, contenders: str, repeats: int, quick: bool, clock: Clock = Clock.WALL) -> Settings:
    """Checks the options that all commands share."""
    return Settings(
        backend=backend.value,
        contenders=words(contenders, PACKAGES),
        repeats=2 if quick else repeats,
        seconds=0.2 if quick else 1.0,
        clock=clock.value,
        meter=BusyMeter(),
    )


def memory_jobs(models: str, batch: str) -> list[Job]:
    """Forward calls and training steps in float32."""
    return [job for task in ("forward", "train") for job in jobs_from(task, models, batch, "float32")]


def jobs_from(task: str, models: str, batch: str, dtype: str, xla: bool = False) -> list[Job]:
    """Every combination of the comma-separated options."""
    if not all(size.strip().isdecimal() and int(size) for size in batch.split(",")):
        raise typer.BadParameter(f"--batch needs whole numbers >= 1, comma-separated; got {batch!r}.")
    return [
        Job(task=task, model=model, batch=int(size), dtype=name, xla=xla)
        for model in words(models, MODELS)
        for size in batch.split(",")
        for name in words(dtype, ("float32", "bfloat16"))
    ]


def words(text: str, known: Collection[str]) -> list[str]:
    """Splits a comma-separated option and names what is unknown."""
    found = [word.strip() for word in text.split(",")]
    unknown = [word for word in found if word not in known]
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}.")
    return found


def finish(name: str, settings: Settings, tables: list[str], out: bool) -> None:
    """Prints the tables with the machine they were measured on, and keeps them where asked."""
    rounds = f"- rounds: {settings.repeats}, each at least {settings.seconds} s"
    if settings.clock == "processor":
        rounds += ", processor time shared among all cores instead of wall time"
    busy = f"- other programs took {settings.meter.others()} of the processor"
    text = "\n\n".join([f"# Benchmark: {name}, {settings.backend}", f"{describe()}\n{rounds}\n{busy}", *tables])
    print(text)
    if out:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{name}-{settings.backend}.md"
        path.write_text(text + "\n", encoding="utf-8")
        console.print(f"written: {path}")


if __name__ == "__main__":
    app()
