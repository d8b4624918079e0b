"""`keras-vit train` and `recipes`: train a model by a recipe."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from keras_vit.cli.options import folder_name, parse_image_size, parse_settings


def train(
    data: Annotated[
        str | None, typer.Option(help="digits, a folder of class folders, or tfds:NAME.", show_default="digits")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="What to train: its architecture, or its weights too.", show_default="vit_digits, else vit_ti16"
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="How to train: see keras-vit recipes.", show_default="small_data")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting of the recipe: NAME=VALUE; repeatable.")
    ] = None,
    teacher: Annotated[str | None, typer.Option(help="Preset to distil from, for recipes that do.")] = None,
    image_size: Annotated[
        str | None, typer.Option(help="Pixels: 64, or HEIGHTxWIDTH.", show_default="the preset's")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the images.", show_default="the recipe's, 100")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in a step.", show_default="the recipe's, 64")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Highest learning rate.", show_default="the recipe's")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Decay of kernels.", show_default="the recipe's")] = None,
    drop_path_rate: Annotated[float | None, typer.Option(help="Stochastic depth.", show_default="the recipe's")] = None,
    augmentation: Annotated[
        bool | None, typer.Option(help="Vary the training images.", show_default="the recipe's")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, mixed_bfloat16 or mixed_float16.", show_default="float32")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.", show_default="0")] = None,
    strict: Annotated[
        bool | None, typer.Option("--strict", help="Fail at an unreadable image instead of skipping it.")
    ] = None,
    checkpoint_steps: Annotated[
        int | None, typer.Option(help="Steps between checkpoints within an epoch.", show_default="none: per epoch")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Of the weights, for their card.", show_default="mit")
    ] = None,
    devices: Annotated[
        int | None, typer.Option(help="Devices that share every batch; JAX or TensorFlow.", show_default="1")
    ] = None,
    mesh: Annotated[
        str | None, typer.Option(help="DATAxMODEL devices, as 2x4: parts of a batch, parts of the model; JAX.")
    ] = None,
    processes: Annotated[
        str | None, typer.Option(help="HOST:PORT,HOST:PORT: one for each process that trains together; JAX.")
    ] = None,
    process_id: Annotated[int | None, typer.Option(help="Which of the processes this one is, from 0.")] = None,
    sharded_checkpoints: Annotated[
        bool,
        typer.Option("--sharded-checkpoints", help="Every device writes its part, to OUT of process 0; JAX and Orbax."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/DATA")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write logs to OUT/tensorboard.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
) -> None:
    """Train a model; by default from scratch on scikit-learn's digits, in a few minutes on two cores.

    Writes OUT/model (a preset folder), history.csv and curves.png, and prints the test accuracy.
    Ctrl-C keeps the best weights so far. However a run ended, --resume goes on from its last checkpoint,
    to the same weights as a run that was never stopped.
    """
    from keras_vit.training import Placement, RunFolder, RunSettings, run

    placement = Placement.parse(devices, mesh, processes, process_id)
    chosen = {
        "data": data,
        "preset": preset,
        "recipe": recipe,
        "teacher": teacher,
        "image_size": parse_image_size(image_size),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "drop_path_rate": drop_path_rate,
        "use_augmentation": augmentation,
        "dtype": dtype,
        "seed": seed,
        "strict": strict,
        "checkpoint_steps": checkpoint_steps,
        "license": licence,
    }
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    out = out or Path("runs", folder_name(data))
    folder = placement.folder(out)
    changes = parse_settings(setting or [])
    if resume:
        stored = RunFolder(folder).read_settings()
        settings = stored.replace(**given, changes={**stored.changes, **changes})
    else:
        settings = RunSettings(**given, changes=changes)
    quiet = quiet or process_id not in (None, 0)  # processes on one screen would write over each other
    console = None if quiet else Console(highlight=False)
    try:
        with placement.scope():
            result = run(
                settings,
                folder,
                resume=resume,
                overwrite=overwrite,
                console=console,
                use_tensorboard=tensorboard,
                sharded_checkpoints=RunFolder(out).checkpoint_folder if sharded_checkpoints else None,
            )
    except KeyboardInterrupt:
        typer.echo(f"keras-vit: stopped{_advice(folder)}", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        if RunFolder(folder).is_resumable:
            raise OSError(f"{error} What was trained is kept{_advice(folder)}") from error
        raise
    typer.echo(str(result))
    if not result.is_finished:
        typer.echo(f"{result.model_folder} holds the best weights so far, of epoch {result.model_epoch}")
        typer.echo(f"stopped after {result.num_epochs} of {settings.epochs} epochs{_advice(folder)}")
        raise typer.Exit(130)
    if not quiet:
        typer.echo(f"model: {result.model_folder}")


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Recipe to show with all its settings.", show_default="all")
    ] = None,
) -> None:
    """List the recipes of keras-vit train, or show one: settings, paper, cost and expected result."""
    from keras_vit import training

    if name is not None:
        typer.echo(str(training.describe_recipe(name)))
        return
    for each in training.list_recipes():
        typer.echo(f"{each:16}{training.describe_recipe(each).purpose}")


def _advice(folder: Path) -> str:
    from keras_vit.training import RunFolder

    if not RunFolder(folder).is_resumable:
        return " before the training began"
    return f"; go on with: keras-vit train --resume --out {shlex.quote(str(folder))}"
