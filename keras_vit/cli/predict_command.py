"""`keras-vit predict`: names the classes of images, or of all images below a folder."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_vit.cli.preset_commands import print_table


def predict(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...|FOLDER", help="Image files, or with --out a folder.")
    ],
    preset: Annotated[str, typer.Option(help="Name or folder of a model with weights.")] = "vit_digits",
    top: Annotated[
        int | None, typer.Option(min=1, help="How many classes to name.", show_default="5; 1 in a file")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write all images below FOLDER to NAME.csv or NAME.parquet.")] = None,
    features: Annotated[bool, typer.Option("--features", help="Write feature vectors instead of classes.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a step, with --out.")] = 64,
    num_workers: Annotated[int, typer.Option(min=1, help="Threads that decode, with --out.")] = 2,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, and what an earlier run left.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at an unreadable image, with --out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Name the most probable classes of images.

    With --out, every image below a folder, in constant memory; the same command goes on where a stopped one was.
    """
    if out is None:
        _print_classes(images, preset, top or 5, as_json, folder_options=features or overwrite or strict)
        return
    if len(images) != 1:
        raise ValueError(f"predict --out needs one folder; got {len(images)} paths.")
    from keras_vit.bulk import predict_folder

    try:
        result = predict_folder(
            preset,
            images[0],
            out,
            features=features,
            top=top or 1,
            batch_size=batch_size,
            num_workers=num_workers,
            overwrite=overwrite,
            strict=strict,
            console=None if quiet else Console(highlight=False, stderr=True),
        )
    except KeyboardInterrupt:
        typer.echo("keras-vit: stopped; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    typer.echo(str(result))


def _print_classes(images: list[Path], preset: str, top: int, as_json: bool, *, folder_options: bool) -> None:
    from keras_vit.models import from_preset

    if folders := [str(image) for image in images if image.is_dir()]:
        raise ValueError(f"predict needs --out NAME.csv or NAME.parquet for a folder; {folders[0]!r} is one.")
    if folder_options:
        raise ValueError("predict needs --out for --features, --overwrite and --strict.")
    results = from_preset(preset).classify([str(image) for image in images], top=top)
    if as_json:
        keys = ("label", "probability")
        rows = [
            {"image": str(image), "classes": [dict(zip(keys, pair, strict=True)) for pair in result]}
            for image, result in zip(images, results, strict=True)
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("image", "class", "probability")
    for image, result in zip(images, results, strict=True):
        for index, (label, probability) in enumerate(result):
            name = Text("" if index else str(image))
            table.add_row(name, Text(label), f"{100 * probability:.1f} %", end_section=index == len(result) - 1)
    print_table(table)
