"""What detectors and segmenters of KerasCV and KerasHub learn on backbones of this package, from drawn shapes.

    python -m benchmarks.dense_tasks
    python -m benchmarks.dense_tasks --only keras_hub_detector

Each of the four takes the feature pyramid of the preset vit_digits, at 64 pixels in patches of 8. Writes a dated table,
CSV and picture to `benchmarks/results/`. Finished trainings are kept in `runs/` and not run again. Needs TensorFlow, on
which KerasCV trains, KerasHub, and the extras `detection` and `plot`.
"""

import argparse
import csv
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.dense_models import DENSE_MODELS, Answers
from benchmarks.dense_pictures import draw_answers
from benchmarks.dense_scores import mean_iou
from benchmarks.page import write_page
from benchmarks.shapes import DrawnImages, draw_images

RESULTS = Path(__file__).parent / "results"
PRESET, SIZE, PATCH_SIZE, PYRAMID_DIM = "vit_digits", 64, 8, 64
NUM_TRAIN, NUM_TEST = 4096, 500
BATCH_SIZE, PEAK_RATE = 16, 1e-3
NUM_SHOWN = 6  # images in the picture
HEADING = f"""# Detectors and segmenters of other packages on backbones of keras_vit

Feature pyramid of the preset {PRESET} at {SIZE} pixels with patches of {PATCH_SIZE}, {PYRAMID_DIM} channels; all \
weights are trained, once, from seed 0. Images with one to three disks, squares and triangles, as the notebooks 06 and \
07 draw them: {NUM_TRAIN} to train on, {NUM_TEST} others to measure. COCO mAP is pycocotools'; mIoU is the mean of \
three classes and the background. Minutes are of processor time."""

Cell = dict[str, Any]  # what one training reached


def main() -> None:
    """Trains the models that are asked for and writes down what all finished ones reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(DENSE_MODELS), default=list(DENSE_MODELS))
    parser.add_argument("--epochs", type=int, default=2, help=f"of {NUM_TRAIN} images (%(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings (%(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the tables (%(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    dense_tasks(options.only, options.epochs, options.runs / f"dense_tasks_{options.epochs}", options.out)


def dense_tasks(names: Sequence[str], epochs: int, runs: Path, out: Path) -> None:
    """Trains models by name, then writes the page of all that have finished in `runs`."""
    meter = machine.BusyMeter()
    runs.mkdir(parents=True, exist_ok=True)
    drawn = draw_images(NUM_TRAIN + NUM_TEST, SIZE, seed=0)
    train, test = drawn[:NUM_TRAIN], drawn[NUM_TRAIN:]
    for name in names:
        if not (runs / f"{name}.json").exists():
            cell, answers = _train(name, epochs, train, test)
            print(cell, flush=True)
            shown: Any = {key: values[:NUM_SHOWN] for key, values in answers.items()}
            np.savez(runs / f"{name}.npz", **shown)
            (runs / f"{name}.json").write_text(json.dumps(cell, indent=2) + "\n", encoding="utf-8")
    finished = [name for name in DENSE_MODELS if (runs / f"{name}.json").exists()]
    cells = [json.loads((runs / f"{name}.json").read_text(encoding="utf-8")) for name in finished]
    nothing = mean_iou(test, np.zeros_like(test.masks))
    text = f"{HEADING} Calling every pixel background has an mIoU of {nothing:.3f}.\n\n{table(cells)}"
    base = write_page(out, "dense-tasks", "python -m benchmarks.dense_tasks", text, meter)
    _write_csv(base.with_suffix(".csv"), cells)
    shown_answers: dict[str, Answers] = {}
    for name in finished:
        shown_answers[DENSE_MODELS[name].title] = dict(np.load(runs / f"{name}.npz").items())
    draw_answers(test[:NUM_SHOWN], shown_answers, base.with_suffix(".png"))


def table(cells: Sequence[Mapping[str, Any]]) -> str:
    """The trainings as a markdown table."""
    headings = (
        "model",
        "parameters",
        f"steps of {BATCH_SIZE}",
        "minutes",
        "measure",
        "untrained",
        "trained",
        "at IoU 0.5",
    )
    lines = report.heading(headings)
    for cell in cells:
        half = cell.get("at IoU 0.5")
        shown = [cell["model"], f"{cell['parameters'] / 1e6:.2f} M", str(cell["steps"]), f"{cell['minutes']:.1f}"]
        shown += [cell["measure"], f"{cell['untrained']:.3f}", f"**{cell['score']:.3f}**"]
        lines.append(report.line([*shown, "-" if half is None else f"{half:.3f}"]))
    return "\n".join(lines)


def _train(name: str, epochs: int, train: DrawnImages, test: DrawnImages) -> tuple[Cell, Answers]:
    import keras

    import keras_vit

    keras.utils.set_random_seed(0)
    kind = DENSE_MODELS[name]
    vit = keras_vit.from_preset(PRESET, image_size=SIZE, patch_size=PATCH_SIZE)
    trainee = kind(keras_vit.feature_pyramid(vit, strides=kind.strides, pyramid_dim=PYRAMID_DIM))
    steps = epochs * len(train.pixels) // BATCH_SIZE
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=PEAK_RATE, warmup_steps=steps // 10)
    trainee.compile(keras.optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=kind.largest_norm))
    train_images, test_images = vit.preprocessing(train.pixels), vit.preprocessing(test.pixels)
    untrained = trainee.score(test, trainee.answers(test_images))["score"]
    start = time.process_time()
    trainee.model.fit(train_images, trainee.labels(train), batch_size=BATCH_SIZE, epochs=epochs, verbose=2)
    minutes = (time.process_time() - start) / 60
    answers = trainee.answers(test_images)
    cell = {
        "model": kind.title,
        "backbone": PRESET,
        "parameters": trainee.model.count_params(),
        "images": len(train.pixels),
        "steps": steps,
        "minutes": round(minutes, 2),
        "measure": kind.measure,
        "untrained": round(untrained, 4),
    }
    return cell | {name: round(value, 4) for name, value in trainee.score(test, answers).items()}, answers


def _write_csv(path: Path, cells: Sequence[Cell]) -> None:
    """One line per training, with the versions and the machine."""
    versions = {name: machine.version_of(names) for name, names in machine.PACKAGES.items()}
    buffer = io.StringIO()
    columns = list(dict.fromkeys(key for cell in cells for key in cell))
    writer = csv.DictWriter(buffer, [*columns, *versions, "processor"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cell | versions | {"processor": machine.processor_name()} for cell in cells)
    path.write_text(buffer.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()
