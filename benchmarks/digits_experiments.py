"""What a small ViT learns from how few digits: beside a CNN of its size, and after pretraining on other classes.

    python -m benchmarks.digits_experiments learning-curve
    python -m benchmarks.digits_experiments transfer

Each writes a dated table, CSV and picture to `benchmarks/results/`. Finished trainings are kept in `runs/` and not run
again. Both need the extras `data` and `plot`; KERAS_BACKEND chooses the backend.

learning-curve: the architecture of vit_digits and a small ResNet of as many parameters, trained by the recipe
small_data with the same number of steps on 10 %, 30 % and 100 % of the digits.

transfer: the same architecture, pretrained on the digits 0 to 4 and fine-tuned on a tenth of the digits 5 to 9, beside
training from scratch on that tenth: with as many steps as the fine-tuning has, and with as many as pretraining and
fine-tuning have together. All by the recipe small_data; the fine-tuning's highest rate is a quarter of it, as is usual
for weights that are to be kept.
"""

import argparse
import csv
import io
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks import machine, report

RESULTS = Path(__file__).parent / "results"
PRETRAINING_CLASSES, OTHER_CLASSES = range(5), range(5, 10)
BATCH_SIZE = 64
FRACTION = 0.1
RATE_SHARE = 0.25  # of the recipe's rate, for weights that are pretrained


def main() -> None:
    """Runs one of the experiments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("learning-curve", "transfer"))
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each kind (%(default)s)")
    parser.add_argument(
        "--steps", type=int, default=2300, help="steps of each model, of pretraining half (%(default)s)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings (%(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the tables (%(default)s)")
    options = parser.parse_args()
    run = learning_curve if options.experiment == "learning-curve" else transfer
    run(options.seeds, options.steps, options.runs / f"digits_{options.experiment}_{options.steps}", options.out)


def learning_curve(num_seeds: int, steps: int, runs: Path, out: Path) -> None:
    """Compares the ViT with the CNN on three shares of the digits."""
    from rich.console import Console

    from keras_vit import training

    meter = machine.BusyMeter()
    settings = training.ComparisonSettings(
        models=("vit_digits", "cnn"),
        steps=steps,
        batch_size=BATCH_SIZE,
        seeds=tuple(range(num_seeds)),
        fractions=(0.1, 0.3, 1.0),
    )
    result = training.compare(settings, runs, console=Console())
    text = (runs / "comparison.md").read_text(encoding="utf-8")
    base = _write(out, "learning-curve", text, meter)
    base.with_suffix(".csv").write_bytes((runs / "cells.csv").read_bytes())
    training.plot_learning_curves(result.rows, base.with_suffix(".png"))


def transfer(num_seeds: int, steps: int, runs: Path, out: Path) -> None:
    """Compares fine-tuning on new classes with training from scratch, by the same images."""
    meter = machine.BusyMeter()
    halves = {"first": PRETRAINING_CLASSES, "second": OTHER_CLASSES}
    folders = {name: _write_images(runs / "images" / name, classes) for name, classes in halves.items()}
    results: list[dict[str, Any]] = []
    for seed in range(num_seeds):
        file = runs / f"seed_{seed}.json"
        if not file.exists():
            found = _transfer_once(folders, seed, steps, runs)
            file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        results.append(json.loads(file.read_text(encoding="utf-8")))
        print(results[-1], flush=True)
    kinds = [name for name in results[0] if name not in ("seed", "num_images")]
    rows = [_table_row(kind, [result[kind] for result in results]) for kind in kinds]
    heading = ("training", "steps", "accuracy, mean ± sd", "lowest - highest", "seeds")
    text = (
        f"# Half of the digits helps the other half\n\nThe architecture of vit_digits. Pretraining: digits "
        f"0 to 4, all training images. Then: digits 5 to 9, {results[0]['num_images']} training images (10 % of each "
        "class, another choice for each seed, the same for all kinds of training), accuracy of the last epoch on all "
        "test images of the digits 5 to 9.\n\n" + "\n".join([*report.heading(heading), *map(report.line, rows)])
    )
    base = _write(out, "transfer", text, meter)
    cells = [{"seed": result["seed"], "training": kind, **result[kind]} for result in results for kind in kinds]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    base.with_suffix(".csv").write_text(buffer.getvalue(), encoding="utf-8")
    _plot_transfer(kinds, results, base.with_suffix(".png"))


def _transfer_once(folders: dict[str, Path], seed: int, steps: int, runs: Path) -> dict[str, Any]:
    """Trains one ViT on the first half of the classes, and three on a tenth of the second."""
    import keras_vit

    pretrained = runs / f"pretrained_{seed}"
    model = keras_vit.from_preset("vit_digits", load_weights=False, num_classes=5, drop_path_rate=0.1)
    _train(model, folders["first"], seed, steps // 2)
    model.save_to_preset(pretrained)
    found: dict[str, Any] = {"seed": seed}
    for kind, number, is_pretrained in (
        ("fine-tuned", steps // 4, True),
        ("from scratch, steps of the fine-tuning", steps // 4, False),
        ("from scratch, steps of both", steps // 2 + steps // 4, False),
    ):
        source = pretrained if is_pretrained else "vit_digits"
        random.seed(seed)
        model = keras_vit.from_preset(source, load_weights=is_pretrained, num_classes=5, drop_path_rate=0.1)
        found["num_images"], *numbers = _train(
            model, folders["second"], seed, number, fraction=FRACTION, rate_share=RATE_SHARE if is_pretrained else 1.0
        )
        found[kind] = dict(zip(("steps", "accuracy"), numbers, strict=True))
    return found


def _train(
    model: Any, folder: Path, seed: int, steps: int, *, fraction: float = 1.0, rate_share: float = 1.0
) -> tuple[int, int, float]:
    """Trains in whole epochs; returns the number of images, of steps, and the accuracy."""
    import keras_vit
    from keras_vit.training.callbacks import EpochSeeds
    from keras_vit.training.recipes import peak_learning_rate

    recipe = keras_vit.training.get_recipe("small_data", data="digits")
    train, test = keras_vit.data.load(
        folder,
        preprocessing=model.preprocessing,
        batch_size=BATCH_SIZE,
        augmentation=recipe.augmentation,
        seed=seed,
        train_fraction=fraction,
        num_workers=1,
    )
    epochs = max(1, round(steps / len(train)))
    rate = rate_share * peak_learning_rate(recipe, model)
    model.compile(**keras_vit.training.small_data(model, epochs=epochs, steps_per_epoch=len(train), learning_rate=rate))
    random.seed(seed)
    model.fit(train, epochs=epochs, callbacks=[EpochSeeds(seed, train)], shuffle=False, verbose=0)
    return train.num_images, epochs * len(train), round(float(model.evaluate(test, verbose=0)[1]), 6)


def _write_images(folder: Path, classes: Sequence[int]) -> Path:
    """Writes the digits of some classes as a folder of PNG files, split as `keras_vit.data.load` splits them."""
    import numpy as np
    from PIL import Image

    import keras_vit

    if folder.exists():
        return folder
    for part, batches in zip(("train", "val"), keras_vit.data.load("digits", batch_size=2000), strict=True):
        images, labels = batches[0]
        for number, (image, label) in enumerate(zip(images, labels.argmax(-1), strict=True)):
            if label in classes:
                file = folder / part / str(label) / f"{number:04}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.rint((image[..., 0] + 1) * 127.5).astype(np.uint8)).save(file)
    return folder


def _table_row(kind: str, cells: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    percent = [100 * cell["accuracy"] for cell in cells]
    spread = f" ± {stdev(percent):.2f}" if len(percent) > 1 else ""
    extremes = f"{min(percent):.2f} - {max(percent):.2f} %"
    return (kind, str(cells[0]["steps"]), f"{mean(percent):.2f}{spread} %", extremes, str(len(cells)))


def _plot_transfer(kinds: Sequence[str], results: Sequence[dict[str, Any]], path: Path) -> None:
    from keras_vit.pictures import COLOURS, MARKERS, new_figure, save_figure

    figure = new_figure(7, 3)
    axes = figure.subplots()
    for place, kind in enumerate(kinds):
        percent = [100 * result[kind]["accuracy"] for result in results]
        axes.scatter(percent, [place] * len(percent), color=COLOURS[place], marker=MARKERS[place], alpha=0.6)
        axes.vlines(mean(percent), place - 0.3, place + 0.3, color=COLOURS[place])
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_xlabel("accuracy on the digits 5 to 9 in %; a mark is a seed, the line their mean")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def _write(out: Path, name: str, text: str, meter: machine.BusyMeter) -> Path:
    """Writes the page and returns its path without the suffix."""
    import keras

    out.mkdir(parents=True, exist_ok=True)
    base = out / f"{datetime.now(UTC):%Y-%m-%d}-digits-{name}"
    busy = f"- backend: {keras.config.backend()}\n- other programs took {meter.others()} of the cores"
    facts = f"{machine.describe()}\n{busy}"
    command = f"Made by `python -m benchmarks.digits_experiments {name}`."
    base.with_suffix(".md").write_text(f"{text.strip()}\n\n{command}\n\n{facts}\n", encoding="utf-8")
    return base


if __name__ == "__main__":
    main()
