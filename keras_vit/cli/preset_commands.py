"""`keras-vit evaluate`, `predict`, `list` and `show`: commands that use presets."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

DataOption = Annotated[str, typer.Option(help="digits, a folder of class folders, or tfds:NAME.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def evaluate(
    preset: Annotated[str, typer.Argument(help="Name or folder of a model with weights.")],
    data: DataOption = "digits",
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 64,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at an unreadable image.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on held-out images: accuracy with counts, and recall per class."""
    from keras_vit import training

    result = training.evaluate(preset, data, batch_size=batch_size, strict=strict)
    rows = list(zip(result.class_names, result.num_images, result.num_correct, result.recalls, strict=True))
    if as_json:
        keys = ("name", "num_images", "num_correct", "recall")
        classes = [dict(zip(keys, row, strict=True)) for row in rows]
        totals = {"num_images": sum(result.num_images), "num_correct": sum(result.num_correct)}
        typer.echo(json.dumps({"accuracy": result.accuracy, **totals, "classes": classes}, indent=2))
        return
    table = Table("class", "recall", "correct", "images")
    for name, num_images, num_correct, recall in rows:
        share = "-" if recall is None else f"{100 * recall:.1f} %"
        # Text, because a string's square brackets would be taken for colours.
        table.add_row(Text(name), share, str(num_correct), str(num_images))
    _print_table(table)
    typer.echo(f"accuracy {result}")


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    preset: Annotated[str, typer.Option(help="Name or folder of a model with weights.")] = "vit_digits",
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Name the most probable classes of images."""
    from keras_vit.models import from_preset

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
    _print_table(table)


def list_presets(
    pattern: Annotated[str, typer.Argument(help='Which names, such as "vit_b*".')] = "*", as_json: JsonOption = False
) -> None:
    """List the presets."""
    from keras_vit import models

    presets = models.list_presets(pattern)
    if as_json:
        keys = ("name", "architecture", "parameters", "description")
        rows = [{key: getattr(preset, key) for key in keys} for preset in presets]
        has_weights = [{"has_weights": preset.folder is not None} for preset in presets]
        typer.echo(json.dumps([row | more for row, more in zip(rows, has_weights, strict=True)], indent=2))
        return
    if not presets:
        raise ValueError(f"No preset is called {pattern!r}. `keras-vit list` shows all.")
    table = Table("preset", "parameters", "weights", "what it is")
    for preset in presets:
        weights = "yes" if preset.folder is not None else "no"
        table.add_row(preset.name, f"{preset.parameters:,}", weights, preset.description)
    _print_table(table)


def show(name: Annotated[str, typer.Argument(help="Name or folder of a preset.")]) -> None:
    """Show what is known of a preset."""
    from keras_vit import models

    typer.echo(models.show(name))


def _print_table(table: Table) -> None:
    # A pipe has no width: lines are as long as they need to be, so that grep and awk find whole names.
    console = Console(width=None if sys.stdout.isatty() else 500, highlight=False)
    console.print(table)
