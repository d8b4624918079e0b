"""One training of a comparison. As a program, in a process of its own: FOLDER MODEL SEED FRACTION."""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import keras

from keras_vit import data
from keras_vit.files import write_file
from keras_vit.training.callbacks import EpochSeeds
from keras_vit.training.comparison.contenders import build_contender, build_reference, num_parameters
from keras_vit.training.comparison.settings import Cell, ComparisonSettings
from keras_vit.training.macs import count_macs
from keras_vit.training.recipes import Recipe, compile_arguments, peak_learning_rate


def load_data(settings: ComparisonSettings, preprocessing: Any, cell: Cell) -> tuple[Any, Any]:
    """Returns the training and validation data of a cell: the same for all models."""
    return data.load(
        settings.data,
        preprocessing=preprocessing,
        batch_size=settings.batch_size,
        augmentation=settings.chosen_recipe.augmentation,
        seed=cell.seed,
        strict=settings.strict,
        train_fraction=cell.fraction,
    )


def train_cell(settings: ComparisonSettings, cell: Cell) -> dict[str, Any]:
    """Trains and evaluates one model; returns what is known of it, as plain data.

    The accuracy is that of the last epoch: choosing an epoch by its validation accuracy would make it look better.
    """
    random.seed(cell.seed)  # Keras draws its seeds from here
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(settings.dtype)
    try:
        reference = build_reference(settings)
        train, validation = load_data(settings, reference.preprocessing, cell)
        memory_before = _memory_mb("VmRSS")
        model = build_contender(cell.model, settings, reference.preprocessing, train.num_classes)
        # All get the rate that the recipe gives the reference: some find it by the width of a ViT.
        rate = peak_learning_rate(settings.chosen_recipe, reference)
        recipe = settings.chosen_recipe.replace(learning_rate=rate, learning_rate_batch_size=None)
        epochs = settings.epochs or max(1, round((settings.steps or 1) / len(train)))
        pace = _fit(model, train, recipe, cell.seed, epochs)
        _, accuracy = model.evaluate(validation, verbose=0)
        peak = _memory_mb("VmHWM")
    finally:
        keras.config.set_dtype_policy(policy)
    return {
        "model": cell.model,
        "seed": cell.seed,
        "fraction": cell.fraction,
        "num_images": train.num_images,
        "num_validation_images": validation.num_images,
        "accuracy": round(float(accuracy), 6),
        "epochs": epochs,
        "steps": epochs * len(train),
        "learning_rate": rate,
        "num_parameters": num_parameters(model),
        "macs": count_macs(model, (*train.preprocessing.image_size, train.preprocessing.num_channels)),
        "images_per_second": pace.images_per_second,
        "peak_memory_mb": peak,
        "memory_mb": None if peak is None or memory_before is None else peak - memory_before,
        "backend": keras.config.backend(),
    }


def _fit(model: Any, train: Any, recipe: Recipe, seed: int, epochs: int) -> "_Pace":
    model.compile(**compile_arguments(recipe, model, epochs=epochs, steps_per_epoch=len(train)))
    pace = _Pace(train.num_images, recipe.batch_size)
    # The data shuffle themselves, by epoch; fit would shuffle batches in an order that no seed repeats.
    model.fit(train, epochs=epochs, callbacks=[EpochSeeds(seed, train), pace], shuffle=False, verbose=0)
    return pace


class _Pace(keras.callbacks.Callback):
    """Measures images per second after the first epoch, which compiles; of a single epoch, after its first step."""

    def __init__(self, num_images: int, batch_size: int) -> None:
        super().__init__()
        self.num_images = num_images
        self.batch_size = batch_size
        self.marks: dict[int, float] = {}  # images so far: clock, seconds

    @property
    def images_per_second(self) -> float | None:
        if len(self.marks) < 2:
            return None
        (first, start), (last, end) = self.marks.items()
        return round((last - first) / (end - start), 1)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.marks:
            self.marks[self.batch_size] = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.marks[(epoch + 1) * self.num_images] = time.perf_counter()
        if len(self.marks) > 2:
            # From the end of the first epoch to that of the last.
            del self.marks[list(self.marks)[0 if epoch == 1 else 1]]


def _memory_mb(field: str) -> float | None:
    """Returns resident memory of this process from Linux' own account, "VmRSS" now or "VmHWM" at most; else None."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
    return round(int(lines[field].split()[0]) / 1024, 1)


def _main() -> None:
    folder, result_file, model, seed, fraction = sys.argv[1:]
    settings = ComparisonSettings.from_dict(json.loads(Path(folder, "settings.json").read_text(encoding="utf-8")))
    result = train_cell(settings, Cell(model, int(seed), float(fraction)))
    write_file(Path(result_file), json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    _main()
