"""Comparing models: trains every cell that has no result yet, and writes the report."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_vit.files import write_file
from keras_vit.training.comparison.cell import load_data, train_cell
from keras_vit.training.comparison.contenders import build_contender, build_reference
from keras_vit.training.comparison.report import (
    ComparisonRow,
    make_rows,
    markdown_table,
    plot_learning_curves,
    write_report,
)
from keras_vit.training.comparison.settings import Cell, ComparisonSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a comparison found."""

    folder: Path  # holds comparison.md, comparison.csv, cells.csv, learning_curves.png
    rows: tuple[ComparisonRow, ...]  # one per model and fraction

    def __str__(self) -> str:
        return markdown_table(self.rows)


def compare(
    settings: ComparisonSettings, folder: str | Path, *, console: Any = None, use_processes: bool = True
) -> Comparison:
    """Trains ViTs and CNNs from scratch under the same budget, data order, augmentation and recipe.

    Every model is trained once for each seed and each share of the training images. A training that has finished is not
    run again: the same call goes on with a comparison that was stopped, and further models, seeds and fractions can be
    asked for later. All that can be wrong with the settings is found before the first training.

        compare(ComparisonSettings(models=("vit_digits", "cnn"), epochs=100, fractions=(0.1, 0.3, 1.0)), "runs/compare")

    Args:
        settings: What to train, on what, and how. Models: the name or folder of a ViT's preset, whose architecture is
            trained; "cnn", a small ResNet with as many parameters as the first ViT; "applications:MobileNetV2" and all
            others of keras.applications; "keras_hub:PRESET", an image classifier of KerasHub, whose settings it
            downloads; "NAME@32" shows a model of those two libraries the same images enlarged to 32 pixels.
        folder: Where the results go: comparison.md, comparison.csv, cells.csv, learning_curves.png, cells/.
        console: A `rich.console.Console` for a line per training; None prints nothing.
        use_processes: Whether each training gets a process of its own. Without, memory cannot be told and is left out.

    Raises:
        ValueError: A name is unknown, a model can't be built for the images, or the folder holds a comparison with
            other settings; each difference is listed.
        ImportError: A model or the data needs an extra that is not installed.
        OSError: A training's process failed, or the folder cannot be written.
    """
    folder = Path(folder)
    _check_folder(settings, folder)
    _check_models(settings)
    write_file(folder / "settings.json", json.dumps(settings.to_dict(), indent=2) + "\n")
    results: list[dict[str, Any]] = []
    for number, cell in enumerate(settings.cells, start=1):
        file = folder / "cells" / cell.file_name
        is_new = not file.is_file()
        if is_new:
            _train(settings, cell, folder, file, use_processes=use_processes)
        results.append(json.loads(file.read_text(encoding="utf-8")))
        _check_same_data(results)
        if is_new:
            write_report(settings, results, folder)  # of a comparison that is stopped, what there is
        if console is not None:
            line = f"{number}/{len(settings.cells)}  {cell}: {100 * results[-1]['accuracy']:.2f} %"
            console.print(line if is_new else f"{line} (was there)", soft_wrap=True, markup=False)
    write_report(settings, results, folder)
    rows = make_rows(settings, results)
    try:
        plot_learning_curves(rows, folder / "learning_curves.png")
    except ImportError as error:
        if console is not None:
            console.print(f"no learning_curves.png: {error}", soft_wrap=True, markup=False)
    return Comparison(folder=folder, rows=rows)


def _check_folder(settings: ComparisonSettings, folder: Path) -> None:
    file = folder / "settings.json"
    if not file.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(f"{str(folder)!r} holds files that are no comparison. Choose another folder.")
        return
    try:
        there = ComparisonSettings.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{str(file)!r} does not hold settings of a comparison: {error}") from None
    if differences := settings.differences(there):
        raise ValueError(
            f"Going on needs the settings that {str(folder)!r} was started with; different are:\n"
            + "\n".join(f"- {difference}" for difference in differences)
        )


def _check_models(settings: ComparisonSettings) -> None:
    """Builds each model once: whatever is wrong with one would else show after hours."""
    reference = build_reference(settings)
    train, _ = load_data(settings, reference.preprocessing, Cell("", settings.seeds[0], 1.0))
    for name in settings.models:
        build_contender(name, settings, reference.preprocessing, train.num_classes)


def _train(settings: ComparisonSettings, cell: Cell, folder: Path, file: Path, *, use_processes: bool) -> None:
    if not use_processes:
        result = train_cell(settings, cell) | {"memory_mb": None, "peak_memory_mb": None}
        write_file(file, json.dumps(result, indent=2) + "\n")
        return
    words = [folder, file, cell.model, cell.seed, cell.fraction]
    process = subprocess.run(
        [sys.executable, "-m", "keras_vit.training.comparison.cell", *map(str, words)],
        env={**os.environ, "KERAS_BACKEND": keras.config.backend()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        raise ChildProcessError(f"The training of {cell} failed: {lines[-1]}")


def _check_same_data(results: Sequence[dict[str, Any]]) -> None:
    last = results[-1]
    for each in results:
        if each["fraction"] == last["fraction"] and each["num_images"] != last["num_images"]:
            raise ValueError(
                f"A comparison needs the same images for all models; {each['model']} was trained on "
                f"{each['num_images']}, {last['model']} on {last['num_images']}: the data set has changed. "
                "Choose another folder."
            )
        if each["backend"] != last["backend"]:
            raise ValueError(
                f"A comparison needs one backend; {each['model']} was trained on {each['backend']}, "
                f"{last['model']} on {last['backend']}. Choose another folder, or set KERAS_BACKEND."
            )
