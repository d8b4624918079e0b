"""`keras-vit compare`: trains a ViT and CNNs alike, and tabulates what they reach."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from keras_vit.cli.options import folder_name, parse_image_size, parse_settings


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="ViT presets, cnn, applications:NAME, keras_hub:PRESET; NAME@32 enlarges the images for it.",
            show_default="vit_digits cnn",
        ),
    ] = None,
    data: Annotated[str, typer.Option(help="digits, or a folder of class folders.")] = "digits",
    image_size: Annotated[
        str | None, typer.Option(help="Pixels for all models: 64, or HEIGHTxWIDTH.", show_default="the first ViT's")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the images that are used.", show_default="100")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the optimizer, instead of epochs.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often each is trained.")] = 3,
    fractions: Annotated[str, typer.Option(help="Shares of the training images, as 0.1,0.3,1.")] = "1",
    recipe: Annotated[str, typer.Option(help="How to train: see keras-vit recipes.")] = "small_data",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting of the recipe: NAME=VALUE; repeatable.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images in a step.")] = 64,
    learning_rate: Annotated[
        float | None, typer.Option(help="Highest learning rate, of all models.", show_default="the first ViT's")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, mixed_bfloat16 or mixed_float16.")] = "float32",
    out: Annotated[Path | None, typer.Option(help="Folder of the results.", show_default="runs/compare_DATA")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
) -> None:
    """Compare a ViT with CNNs: all trained from scratch, with the same budget, images, order and recipe.

    Writes OUT/comparison.md, comparison.csv, cells.csv and learning_curves.png, and prints the table.
    The same command goes on where it was stopped; finished trainings are not run again.
    """
    from keras_vit.training import ComparisonSettings
    from keras_vit.training import compare as run_comparison

    given: dict[str, Any] = {"image_size": parse_image_size(image_size)} | ({"models": tuple(models)} if models else {})
    settings = ComparisonSettings(
        **given,
        data=data,
        epochs=100 if epochs is None and steps is None else epochs,
        steps=steps,
        seeds=tuple(range(seeds)),
        fractions=_parse_fractions(fractions),
        recipe=recipe,
        changes=parse_settings(setting or []),
        batch_size=batch_size,
        learning_rate=learning_rate,
        dtype=dtype,
    )
    folder = out or Path("runs", f"compare_{folder_name(data)}")
    try:
        result = run_comparison(settings, folder, console=None if quiet else Console(highlight=False))
    except KeyboardInterrupt:
        typer.echo("keras-vit: stopped; the same command goes on", err=True)
        raise typer.Exit(130) from None
    typer.echo(str(result))
    if not quiet:
        typer.echo(f"results: {result.folder}")


def _parse_fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--fractions needs numbers, as 0.1,0.3,1; got {text!r}.") from None
