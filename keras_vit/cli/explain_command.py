"""`keras-vit explain`: a picture of where a model looks in an image."""

from pathlib import Path
from typing import Annotated, Any

import typer


def explain(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image file.")],
    out: Annotated[Path, typer.Option(help="The PNG file to write.")],
    preset: Annotated[str, typer.Option(help="Name or folder of a model with weights.")] = "vit_digits",
    method: Annotated[str, typer.Option(help="attention, rollout or relevance.")] = "attention",
    layers: Annotated[str, typer.Option(help="Encoder layers, as 0,5,-1, or all; with attention.")] = "-1",
    heads: Annotated[str, typer.Option(help="mean, all, or the number of one head; with attention.")] = "mean",
    target: Annotated[
        str | None,
        typer.Option("--class", help="Label or number of the class; with relevance.", show_default="the most probable"),
    ] = None,
) -> None:
    """Draw where a model looks in an image."""
    from keras_vit.models import from_preset
    from keras_vit.visualize import explain as draw

    model = from_preset(preset)
    draw(
        model,
        str(image),
        out,
        method,
        layers=layers if layers == "all" else [_whole(number, "--layers") for number in layers.split(",")],
        heads=heads if heads in ("mean", "all") else _whole(heads, "--heads"),
        target=_parse_class(target, model.labels or ()),
    )
    typer.echo(str(out))


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        words = "'all' or whole numbers, as 0,5,-1" if option == "--layers" else "'mean', 'all' or a whole number"
        raise ValueError(f"{option} needs {words}; got {text!r}.") from None


def _parse_class(text: str | None, labels: Any) -> int | str | None:
    """A label comes first: those of digits are numbers, too."""
    return int(text) if text is not None and text not in labels and text.isdecimal() else text
