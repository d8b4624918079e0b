"""`keras-vit convert`: a checkpoint of any layout becomes a folder that others load."""

from pathlib import Path
from typing import Annotated, Any

import typer


def convert(
    source: Annotated[str, typer.Argument(help="Preset, folder, .npz file or Hub repository, owner/name.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    to: Annotated[
        str, typer.Option(help="timm (for keras_vit, timm, and transformers through timm) or transformers.")
    ] = "timm",
    num_classes: Annotated[int | None, typer.Option(help="Put on a new head; 0 leaves out the head.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the images, pixels; positions are resampled.")] = None,
) -> None:
    """Convert a checkpoint: timm's, transformers', Google's .npz or KerasHub's."""
    from keras_vit import models

    changes: dict[str, Any] = {"num_classes": num_classes, "image_size": image_size}
    changes = {name: value for name, value in changes.items() if value is not None}
    model = models.convert(source, folder, to, **changes)
    typer.echo(str(model.load_report))
    typer.echo(f"written: {folder}")
