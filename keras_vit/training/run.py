"""A whole training run: data, model, recipe, callbacks and the files it leaves behind."""

import contextlib
import dataclasses
import datetime
import functools
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_vit import data, hub, models
from keras_vit.models import adapter_saving
from keras_vit.training.callbacks import EpochSeeds, History, KeepBest, StopBetweenBatches
from keras_vit.training.checkpointing import TrainingCheckpoint
from keras_vit.training.curves import plot_curves
from keras_vit.training.data_checks import check_data
from keras_vit.training.divergence import DivergenceReport, StopWhenDiverged
from keras_vit.training.evaluation import describe_accuracy
from keras_vit.training.progress import TrainingProgress
from keras_vit.training.recipes import Prepared, Recipe, peak_learning_rate, prepare
from keras_vit.training.run_folder import RunFolder
from keras_vit.training.run_settings import RunSettings, dataset_name
from keras_vit.training.tensorboard import tensorboard_callback


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
    use_tensorboard: bool = False,
    sharded_checkpoints: Path | None = None,
) -> RunResult:
    """Trains a model by a recipe and leaves its preset folder, history and curves in a folder.

    Everything that can be wrong is found before the first step. Ctrl-C ends the run after the batch at hand; the model
    folder then holds the best weights so far, by validation accuracy. At a normal end it holds the last epoch's:
    choosing an epoch by its validation accuracy would make that accuracy look better than it is.

    Args:
        settings: What to train, on what, and how.
        folder: Where the run lives; laid out as `RunFolder` says.
        resume: Goes on with the interrupted run in the folder, from its last checkpoint, to the very same weights.
        overwrite: Replaces a run that is already in the folder.
        console: A `rich.console.Console` for the progress; None prints nothing.
        use_tensorboard: Whether logs for TensorBoard are written, into the folder `tensorboard` of the run.
        sharded_checkpoints: On JAX: the folder `checkpoint` of the first process' run, which all processes reach. Each
            device then writes its part of a checkpoint there, by Orbax. None: each run keeps its own, whole.

    Raises:
        ValueError: The settings, the folder or the data do not allow the run; every difference from the run to be
            resumed is listed.
        DivergedError: The loss became NaN or infinite; the message names the step, the images and what to do.
        OSError: The folder cannot be written.
        ImportError: The data or the checkpoints need an extra that is not installed.
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    files = RunFolder(folder, sharded_checkpoints)
    if resume:
        files.check_resume(settings)
    else:
        files.check_new(overwrite=overwrite)
    # Keras draws its seeds from here. keras.utils.set_random_seed does the same, but imports TensorFlow if it is there.
    random.seed(settings.seed)
    setup, train, validation, facts = _prepare(settings)
    model = setup.model
    check_data(train, validation)
    if use_tensorboard:
        setup.fit["callbacks"].append(tensorboard_callback(files.path / "tensorboard", is_resumed=resume))
    if resume:
        files.check_data(facts)
    else:
        files.start(settings, facts)
    save = functools.partial(_save, model, files, settings, train, validation)
    average = functools.partial(_save_average, setup, save)
    is_finished = _fit(setup, train, validation, settings, files, average, console)

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


def _prepare(settings: RunSettings) -> tuple[Prepared, Any, Any, dict[str, Any]]:
    """Returns the model and what trains it, compiled, both parts of the data as fit takes them, and facts of these."""
    recipe = settings.chosen_recipe
    build = functools.partial(
        models.from_preset,
        settings.architecture,
        load_weights=recipe.start == "pretrained",
        drop_path_rate=recipe.drop_path_rate,
        dtype=settings.dtype,
        **({} if settings.image_size is None else {"image_size": settings.image_size}),
    )
    expected = build(load_weights=False)  # for its preprocessing
    train, validation = data.load(
        settings.data,
        preprocessing=expected.preprocessing,
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        seed=settings.seed,
        strict=settings.strict,
    )
    model = _build(build, recipe, expected.config, train.num_classes)
    model.labels = tuple(train.class_names)
    setup = prepare(recipe, model, epochs=recipe.epochs, steps_per_epoch=len(train), teacher=settings.teacher)
    is_from_elsewhere = recipe.start == "pretrained" and hub.is_from_elsewhere(model.provenance)
    model.forget_measurements()
    if is_from_elsewhere:  # also where no repository is known: the licence must stay
        model.provenance.setdefault("changes", [hub.FINE_TUNED])
    if settings.license:
        model.provenance = hub.resolve_licence(model.provenance, settings.license)
    setup.trainer.compile(**setup.compile)
    facts = {"train": _facts(train), "validation": _facts(validation)}
    return setup, setup.adapt(train), setup.adapt(validation), facts


def _facts(batches: Any) -> dict[str, Any]:
    """Returns what identifies the data; of streams, the classes and the number of images."""
    if hasattr(batches, "facts"):
        return batches.facts()
    return {"classes": ", ".join(batches.class_names), "number of images": batches.num_images}


def _build(build: Any, recipe: Recipe, config: Any, num_classes: int) -> Any:
    """Returns the model to be trained; a new one gets the token that a teacher talks to, if its head can have one."""
    changes: dict[str, Any] = {} if config.num_classes == num_classes else {"num_classes": num_classes}
    model = build(**changes)
    if recipe.start == "pretrained" or recipe.distillation == "none" or not config.has_place_for_distillation:
        return model
    return type(model)(
        model.config, use_distillation_token=True, preprocessing=model.preprocessing, dtype=model.dtype_policy
    )


def _fit(
    setup: Prepared,
    train: Any,
    validation: Any,
    settings: RunSettings,
    files: RunFolder,
    save: Callable[[int, float], None],
    console: Any,
) -> bool:
    """Trains up to the last epoch; returns False if Ctrl-C came first."""
    report = DivergenceReport(train, files.checkpoint_files, functools.partial(_advise, setup, settings, files))
    checkpoint = TrainingCheckpoint(
        files.checkpoint_files, report, steps_per_epoch=len(train), every_steps=settings.checkpoint_steps
    )
    start = checkpoint.restore(setup.trainer)
    history = History(files.history_file)
    with contextlib.ExitStack() as stack:
        callbacks = [
            *setup.fit["callbacks"],
            EpochSeeds(settings.seed, train),
            StopWhenDiverged(report, start),
            history,
            KeepBest(save, files.best_accuracy(before_epoch=start.epoch)),
            checkpoint,  # last of the files: what is not in it is trained again
            stack.enter_context(StopBetweenBatches(checkpoint.save_now)),
        ]
        if console is not None:
            progress = TrainingProgress(
                console, num_epochs=setup.recipe.epochs, num_images=train.num_images, steps_per_epoch=len(train)
            )
            callbacks.append(stack.enter_context(progress))
        try:
            # The data shuffle themselves, by epoch; fit would shuffle batches in an order that no seed repeats.
            checkpoint.fit(
                setup.trainer,
                train,
                validation_data=validation,
                epochs=setup.recipe.epochs,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
        except KeyboardInterrupt:
            return False
        finally:
            history.finish()
    return True


def _advise(setup: Prepared, settings: RunSettings, files: RunFolder) -> str:
    """Returns what to do about a run that diverged."""
    rate = float(f"{peak_learning_rate(setup.recipe, setup.model) / 3:.2g}")
    places = {"data": settings.data, "preset": settings.preset, "teacher": settings.teacher}
    command = settings.replace(learning_rate=rate).command_line(**places)
    return (
        "Resuming would diverge again. Train anew, with a lower learning rate: "
        f"{command} --overwrite --out {shlex.quote(str(files.path))}"
    )


def _save_average(setup: Prepared, save: Callable[[int, float], None], epoch: int, accuracy: float) -> None:
    """Saves during the training the averaged weights, where there are some: they are what was measured."""
    average = keras.callbacks.SwapEMAWeights() if setup.recipe.ema else keras.callbacks.Callback()
    average.set_model(setup.trainer)
    average.on_test_begin()
    try:
        save(epoch, accuracy)
    finally:
        average.on_test_end()


def _save(
    model: Any, files: RunFolder, settings: RunSettings, train: Any, validation: Any, epoch: int, accuracy: float
) -> None:
    """Writes the preset folder, with where the weights come from and what they reach."""
    model.provenance = {
        **model.provenance,
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
    if settings.chosen_recipe.trains == "lora" and adapter_saving.is_possible(model):
        model.save_adapter(files.adapter_folder)


def _describe_recipe(model: Any, settings: RunSettings) -> dict[str, Any]:
    """Returns every value that the training used, the recipe's own ones included."""
    recipe = settings.chosen_recipe
    return {
        "recipe": recipe.name,
        **({"preset": dataset_name(settings.architecture)} if recipe.start == "pretrained" else {}),
        **recipe.active_settings,
        "learning_rate": peak_learning_rate(recipe, model),
        **({"teacher": dataset_name(settings.teacher)} if settings.teacher else {}),
        "dtype": settings.dtype,
        "seed": settings.seed,
    }


def _plot(history: list[dict[str, float]], files: RunFolder) -> str | None:
    """Draws the curves; returns one line where that is not possible."""
    try:
        plot_curves(history, files.curves_file)
    except ImportError as error:
        return f"no curves.png: {error}"
    return None
