"""A whole training run: data, model, recipe, callbacks and the files it leaves behind."""

import contextlib
import dataclasses
import datetime
import functools
import inspect
import random
from pathlib import Path
from typing import Any

import keras

from keras_vit import data, models
from keras_vit.training.callbacks import EpochSeeds, History, KeepBest, StopBetweenBatches
from keras_vit.training.curves import plot_curves
from keras_vit.training.evaluation import describe_accuracy
from keras_vit.training.progress import TrainingProgress
from keras_vit.training.run_folder import RunFolder
from keras_vit.training.run_settings import RunSettings
from keras_vit.training.small_data import augmentation_for, default_learning_rate, small_data


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a training run ended with."""

    model_folder: Path  # the preset folder that was written
    num_epochs: int  # finished epochs
    model_epoch: int  # whose weights were saved, counted from 1
    accuracy: float  # of these weights on the validation data, share
    num_images: int  # of the validation data
    is_finished: bool  # False: interrupted; the best weights so far were saved

    def __str__(self) -> str:
        return f"test accuracy {describe_accuracy(round(self.accuracy * self.num_images), self.num_images)}"


def run(
    settings: RunSettings,
    folder: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    console: Any = None,
) -> RunResult:
    """Trains a model from scratch and leaves its preset folder, history and curves in a folder.

    Everything that can be wrong is found before the first step. Ctrl-C ends the run after the batch at hand; the model
    folder then holds the best weights so far, by validation accuracy. At a normal end it holds the last epoch's:
    choosing an epoch by its validation accuracy would make that accuracy look better than it is.

    Args:
        settings: What to train, on what, and how.
        folder: Where the run lives; laid out as `RunFolder` says.
        resume: Goes on with the interrupted run in the folder, from its last finished epoch.
        overwrite: Replaces a run that is already in the folder.
        console: A `rich.console.Console` for the progress; None prints nothing.

    Raises:
        ValueError: The settings or the folder do not allow the run; every difference from the run to be resumed is
            listed.
        OSError: The folder cannot be written.
        ImportError: The data needs an extra that is not installed.
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    files = RunFolder(folder)
    if resume:
        files.check_resume(settings)
    else:
        files.check_new(overwrite=overwrite)
    # Keras draws its seeds from here. keras.utils.set_random_seed does the same, but imports TensorFlow if it is there.
    random.seed(settings.seed)
    model, train, validation = _prepare(settings)
    if not resume:
        files.start(settings)
    best = max((row["val_accuracy"] for row in files.read_history()), default=-1.0) if resume else -1.0
    save = functools.partial(_save, model, files, settings, train, validation)
    is_finished = _fit(model, train, validation, settings, files, KeepBest(save, best), console)

    history = files.read_history()
    if not history:
        raise KeyboardInterrupt
    notice = _plot(history, files)
    if is_finished:
        saved = history[-1]
        model.curves = files.curves_file.read_bytes() if files.curves_file.is_file() else None
        save(len(history), saved["val_accuracy"])
        files.finish()
    else:
        saved = max(history, key=lambda row: row["val_accuracy"])  # the first of equals, as KeepBest does
    if notice and console is not None:
        console.print(notice, soft_wrap=True, markup=False)  # "[plot]" is no colour
    return RunResult(
        model_folder=files.model_folder,
        num_epochs=len(history),
        model_epoch=int(saved["epoch"]) + 1,
        accuracy=saved["val_accuracy"],
        num_images=validation.num_images,
        is_finished=is_finished,
    )


def _prepare(settings: RunSettings) -> tuple[Any, Any, Any]:
    """Returns the compiled model, the training and the validation data."""
    build = functools.partial(
        models.from_preset,
        settings.architecture,
        load_weights=False,
        drop_path_rate=settings.drop_path_rate,
        dtype=settings.dtype,
        **({} if settings.image_size is None else {"image_size": settings.image_size}),
    )
    model = build()
    train, validation = data.load(
        settings.data,
        preprocessing=model.preprocessing,
        batch_size=settings.batch_size,
        augmentation=augmentation_for(settings.data) if settings.use_augmentation else None,
        seed=settings.seed,
        strict=settings.strict,
    )
    if model.config.num_classes != train.num_classes:
        model = build(num_classes=train.num_classes)
    model.labels = tuple(train.class_names)
    model.compile(
        **small_data(
            model,
            epochs=settings.epochs,
            steps_per_epoch=len(train),
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
    )
    return model, train, validation


def _fit(
    model: Any, train: Any, validation: Any, settings: RunSettings, files: RunFolder, keep_best: KeepBest, console: Any
) -> bool:
    """Trains up to the last epoch; returns False if Ctrl-C came first."""
    with contextlib.ExitStack() as stack:
        callbacks = [
            EpochSeeds(settings.seed, train),
            stack.enter_context(History(files.history_file)),
            keep_best,
            # Last of the files: what is not backed up yet is trained again.
            keras.callbacks.BackupAndRestore(
                str(files.checkpoint_folder), double_checkpoint=True, delete_checkpoint=False
            ),
            stack.enter_context(StopBetweenBatches()),
        ]
        if console is not None:
            progress = TrainingProgress(console, num_epochs=settings.epochs, num_images=train.num_images)
            callbacks.append(stack.enter_context(progress))
        try:
            # The data shuffle themselves, by epoch; fit would shuffle batches in an order that no seed repeats.
            model.fit(
                train,
                validation_data=validation,
                epochs=settings.epochs,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
        except KeyboardInterrupt:
            return False
    return True


def _save(
    model: Any, files: RunFolder, settings: RunSettings, train: Any, validation: Any, epoch: int, accuracy: float
) -> None:
    """Writes the preset folder, with where the weights come from and what they reach."""
    model.provenance = {
        "license": settings.license or model.provenance.get("license"),
        "training": {
            "command": settings.command,
            "dataset": settings.dataset_name,
            "num_images": train.num_images,
            **({} if epoch == settings.epochs else {"trained_epochs": epoch}),
            **_describe_recipe(model, settings),
            "backend": keras.config.backend(),
        },
        "evaluation": {
            "dataset": settings.dataset_name,
            "split": "test",
            "num_images": validation.num_images,
            "accuracy": round(accuracy, 6),
            "date": datetime.date.today().isoformat(),
        },
    }
    model.save_to_preset(files.model_folder)


def _describe_recipe(model: Any, settings: RunSettings) -> dict[str, Any]:
    """Returns every value that the training used, the recipe's own ones included."""
    parameters = inspect.signature(small_data).parameters.values()
    recipe = {each.name: each.default for each in parameters if each.default is not each.empty}
    del recipe["jit_compile"]  # changes the speed, not the weights
    augmentation = dataclasses.asdict(augmentation_for(settings.data)) if settings.use_augmentation else {}
    names = ("epochs", "batch_size", "weight_decay", "drop_path_rate", "dtype", "seed")
    return {
        **recipe,
        **{name: getattr(settings, name) for name in names},
        "learning_rate": settings.learning_rate or default_learning_rate(model),
        "augmentation": {name: value for name, value in augmentation.items() if value},
    }


def _plot(history: list[dict[str, float]], files: RunFolder) -> str | None:
    """Draws the curves; returns one line where that is not possible."""
    try:
        plot_curves(history, files.curves_file)
    except ImportError as error:
        return f"no curves.png: {error}"
    return None
