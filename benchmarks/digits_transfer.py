"""Half of the digits helps the other half: fine-tuning on new classes against training from scratch."""

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks import machine, report
from benchmarks.page import write_page

COMMAND = "python -m benchmarks.digits_experiments"
PRETRAINING_CLASSES, OTHER_CLASSES = range(5), range(5, 10)
BATCH_SIZE = 64
FRACTION = 0.1
RATE_SHARES = (0.25, 0.5, 1.0)  # of the recipe's rate, tried
RATE_SHARE = 1.0  # chosen by `transfer_rate`: on 70 images a lower rate ends before the new classes are learned
FIRST_CHOOSING_SEED = 100  # seeds below it are those of the report

Cell = dict[str, Any]  # what one training reached


def transfer(num_seeds: int, steps: int, runs: Path, out: Path) -> None:
    """Compares fine-tuning on new classes with training from scratch, by the same images."""
    meter = machine.BusyMeter()
    kinds = {
        "fine-tuned": (steps // 4, RATE_SHARE),
        "from scratch, steps of the fine-tuning": (steps // 4, None),
        "from scratch, steps of both": (steps // 2 + steps // 4, None),
        "fine-tuned, as many steps as both": (steps // 2 + steps // 4, RATE_SHARE),
    }
    folder = _write_images(runs / "images" / "second", OTHER_CLASSES)
    cells = []
    for seed in range(num_seeds):
        for number, (kind, (length, share)) in enumerate(kinds.items()):
            train = _train_on(folder, seed, length, share, steps // 2, runs)
            cells.append(_once(runs / f"seed_{seed}_kind_{number}.json", {"seed": seed, "training": kind}, train))
    text = (
        f"# Half of the digits helps the other half\n\nThe architecture of vit_digits. Pretraining: digits "
        f"0 to 4, all training images. Then: digits 5 to 9, {cells[0]['num_images']} training images (10 % of each "
        "class, another choice for each seed, the same for all kinds of training), accuracy of the last epoch on all "
        f"test images of the digits 5 to 9. The fine-tuning's learning rate is {RATE_SHARE:g} times the recipe's.\n\n"
        + _table(("training", "steps"), cells)
    )
    base = write_page(out, "digits-transfer", f"{COMMAND} transfer", text, meter)
    _write_csv(base.with_suffix(".csv"), cells)
    _plot(cells, base.with_suffix(".png"))


def transfer_rate(num_seeds: int, steps: int, runs: Path, out: Path) -> None:
    """Tries learning rates of the fine-tuning on the training images that it leaves out."""
    meter = machine.BusyMeter()
    source = _write_images(runs / "images" / "second", OTHER_CLASSES)
    cells = []
    for seed in range(FIRST_CHOOSING_SEED, FIRST_CHOOSING_SEED + num_seeds):
        folder = _split(source, runs / "images" / f"split_{seed}", seed)
        for share in RATE_SHARES:
            train = _train_on(folder, seed, steps // 4, share, steps // 2, runs, fraction=1.0)
            labels = {"seed": seed, "share of the recipe's rate": f"{share:g}"}
            cells.append(_once(runs / f"seed_{seed}_rate_{share:g}.json", labels, train))
    text = (
        "# The learning rate of a fine-tuning on 70 images\n\nAs in the experiment `transfer`, but with other seeds, "
        "and measured on the training images of the digits 5 to 9 that are not trained on. Test images have no part in "
        "it.\n\n" + _table(("share of the recipe's rate", "steps"), cells)
    )
    base = write_page(out, "digits-transfer-rate", f"{COMMAND} transfer-rate", text, meter)
    _write_csv(base.with_suffix(".csv"), cells)


def _once(file: Path, labels: Cell, train: Callable[[], Cell]) -> Cell:
    """Returns what a training reached; one that has finished is not run again."""
    if not file.exists():
        cell = labels | train()
        file.write_text(json.dumps(cell, indent=2) + "\n", encoding="utf-8")
        print(cell, flush=True)
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _train_on(
    folder: Path,
    seed: int,
    steps: int,
    rate_share: float | None,
    pretraining_steps: int,
    runs: Path,
    fraction: float = FRACTION,
) -> Callable[[], Cell]:
    """Returns the training of one model on few images; `rate_share` None: from scratch."""

    def train() -> Cell:
        import keras_vit

        is_pretrained = rate_share is not None
        source = _pretrained(seed, pretraining_steps, runs) if is_pretrained else "vit_digits"
        random.seed(seed)
        model = keras_vit.from_preset(source, load_weights=is_pretrained, num_classes=5, drop_path_rate=0.1)
        return _train(model, folder, seed, steps, fraction=fraction, rate_share=rate_share or 1.0)

    return train


def _pretrained(seed: int, steps: int, runs: Path) -> Path:
    """Returns the folder of a model of the first half of the classes; trains it where there is none."""
    import keras_vit

    folder = runs / f"pretrained_{seed}"
    if not folder.exists():
        random.seed(seed)
        model = keras_vit.from_preset("vit_digits", load_weights=False, num_classes=5, drop_path_rate=0.1)
        _train(model, _write_images(runs / "images" / "first", PRETRAINING_CLASSES), seed, steps)
        model.save_to_preset(folder)
    return folder


def _train(model: Any, folder: Path, seed: int, steps: int, *, fraction: float = 1.0, rate_share: float = 1.0) -> Cell:
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
    accuracy = round(float(model.evaluate(test, verbose=0)[1]), 6)
    return {"num_images": train.num_images, "steps": epochs * len(train), "accuracy": accuracy}


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


def _split(source: Path, folder: Path, seed: int) -> Path:
    """Makes a folder whose training part is the share that is trained on, and whose other part are the images left."""
    import keras_vit

    if folder.exists():
        return folder
    preprocessing = keras_vit.from_preset("vit_digits", load_weights=False).preprocessing
    train, _ = keras_vit.data.load(
        source, preprocessing=preprocessing, batch_size=BATCH_SIZE, seed=seed, train_fraction=FRACTION
    )
    chosen = {Path(name).name for batch in range(len(train)) for name in train.names_of_batch(batch)}
    for file in sorted((source / "train").rglob("*.png")):
        copy = folder / ("train" if file.name in chosen else "val") / file.parent.name / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return folder


def _table(labels: tuple[str, ...], cells: Sequence[Cell]) -> str:
    rows: dict[tuple[str, ...], list[float]] = {}
    for cell in cells:
        rows.setdefault(tuple(str(cell[label]) for label in labels), []).append(100 * cell["accuracy"])
    lines = []
    for words, percent in rows.items():
        spread = f" ± {stdev(percent):.2f}" if len(percent) > 1 else ""
        extremes = f"{min(percent):.2f} - {max(percent):.2f} %"
        lines.append(report.line((*words, f"{mean(percent):.2f}{spread} %", extremes, str(len(percent)))))
    heading = report.heading((*labels, "accuracy, mean ± sd", "lowest - highest", "seeds"))
    return "\n".join([*heading, *lines])


def _write_csv(path: Path, cells: Sequence[Cell]) -> None:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    path.write_text(buffer.getvalue(), encoding="utf-8")


def _plot(cells: Sequence[Cell], path: Path) -> None:
    from keras_vit.pictures import COLOURS, MARKERS, new_figure, save_figure

    kinds = list(dict.fromkeys(cell["training"] for cell in cells))
    figure = new_figure(7, 3)
    axes = figure.subplots()
    for place, kind in enumerate(kinds):
        percent = [100 * cell["accuracy"] for cell in cells if cell["training"] == kind]
        axes.scatter(percent, [place] * len(percent), color=COLOURS[place], marker=MARKERS[place], alpha=0.6)
        axes.vlines(mean(percent), place - 0.3, place + 0.3, color=COLOURS[place])
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_xlabel("accuracy in %; a mark is a seed, the line their mean")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
