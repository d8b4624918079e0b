"""`keras-vit evaluate`, `list` and `show`: commands that use presets."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_vit.cli.preset_table import (
    Filter,
    SortKey,
    as_record,
    markdown_page,
    parse_count,
    parse_size,
    rich_table,
    sort_presets,
)

DataOption = Annotated[str, typer.Option(help="digits, a folder of class folders, or tfds:NAME.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def evaluate(
    preset: Annotated[str, typer.Argument(help="Name or folder of a model with weights.")],
    data: DataOption = "digits",
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 64,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at an unreadable image.")] = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for confusion.png and mistakes.png.", show_default="no pictures")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on held-out images: accuracy with counts, recall per class, and the worst mistakes."""
    from keras_vit import training

    result = training.evaluate(preset, data, batch_size=batch_size, strict=strict)
    if pictures is not None:
        training.plot_confusion(result, pictures / "confusion.png")
        training.plot_mistakes(result, pictures / "mistakes.png")
    rows = list(zip(result.class_names, result.num_images, result.num_correct, result.recalls, strict=True))
    if as_json:
        names = ("name", "num_images", "num_correct", "recall")
        classes = [dict(zip(names, row, strict=True)) for row in rows]
        totals = {"num_images": sum(result.num_images), "num_correct": sum(result.num_correct)}
        keys = ("image", "true", "predicted", "probability")
        mistakes = [{key: getattr(mistake, key) for key in keys} for mistake in result.mistakes]
        found = {"accuracy": result.accuracy, **totals, "classes": classes, "mistakes": mistakes}
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("class", "recall", "correct", "images")
    for name, num_images, num_correct, recall in rows:
        share = "-" if recall is None else f"{100 * recall:.1f} %"
        # Text, because a string's square brackets would be taken for colours.
        table.add_row(Text(name), share, str(num_correct), str(num_images))
    print_table(table)
    if pictures is not None:
        typer.echo(f"pictures: {pictures / 'confusion.png'}, {pictures / 'mistakes.png'}")
    typer.echo(f"accuracy {result}")


def list_presets(
    pattern: Annotated[
        str | None, typer.Argument(help='Which names, such as "vit_b*".', show_default="short names")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Full names too.")] = False,
    licence: Annotated[str | None, typer.Option("--license", help="Of the weights, such as mit.")] = None,
    min_top1: Annotated[float | None, typer.Option(help="Lowest reported ImageNet-1k top-1, percent.")] = None,
    max_params: Annotated[str | None, typer.Option(help="Most parameters, such as 30M.")] = None,
    image_size: Annotated[str | None, typer.Option(help="Pixels: 224, or HEIGHTxWIDTH.")] = None,
    sort: Annotated[SortKey, typer.Option(help="What to sort by.")] = SortKey.NAME,
    reverse: Annotated[bool, typer.Option("--reverse", help="Largest first.")] = False,
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/presets.md: a Markdown page.")] = False,
) -> None:
    """List the presets: the short names, or all names that match a pattern."""
    from keras_vit import models

    wanted = Filter(
        license=licence,
        min_top1=min_top1,
        max_parameters=None if max_params is None else parse_count(max_params),
        image_size=None if image_size is None else parse_size(image_size),
    )
    found = [preset for preset in models.list_presets(pattern or "*") if wanted.keeps(preset)]
    presets = found if pattern or show_all else [preset for preset in found if preset.has_short_name]
    if not found:
        raise ValueError(f"No preset matches {pattern or 'these options'!r}. `keras-vit list --all` shows all.")
    presets = sort_presets(presets, sort, reverse=reverse)
    if as_json:
        typer.echo(json.dumps([as_record(preset) for preset in presets], indent=2))
    elif as_markdown:
        typer.echo(markdown_page(presets), nl=False)
    else:
        print_table(rich_table(presets))
        if num_hidden := len(found) - len(presets):
            typer.echo(f'{num_hidden} full names more: --all shows them, a pattern such as "vit_base*" some of them')


def show(name: Annotated[str, typer.Argument(help="Name or folder of a preset.")]) -> None:
    """Show what is known of a preset."""
    from keras_vit import models

    typer.echo(models.show(name))


def print_table(table: Table) -> None:
    """Prints a table in the width of the terminal; into a pipe, without a limit."""
    # A pipe has no width: lines are as long as they need to be, so that grep and awk find whole names.
    console = Console(width=None if sys.stdout.isatty() else 500, highlight=False)
    console.print(table)
