"""`keras-vit pull`: a model of the Hub comes to this machine, into the cache or a folder."""

from pathlib import Path
from typing import Annotated, Any

import typer


def pull(
    name: Annotated[str, typer.Argument(help="Preset, or Hub repository, owner/name.")],
    folder: Annotated[Path | None, typer.Argument(help="Preset folder to write; the cache alone without it.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.", show_default="main")] = None,
    cache_dir: Annotated[
        Path | None, typer.Option(help="Folder of the cache.", show_default="the Hub client's own")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Address of the Hub.", show_default="the usual one")] = None,
) -> None:
    """Download a model; private ones with the token of `hf auth login` or HF_TOKEN."""
    from keras_vit import models
    from keras_vit.models.source import open_source

    place: dict[str, Any] = {"revision": revision, "cache_dir": cache_dir, "endpoint": endpoint}
    if folder is None:
        source = open_source(name, **place)
        typer.echo(str(source.weights.parent if source.weights else name))
        return
    model = models.convert(name, folder, **place)
    typer.echo(str(model.load_report))
    typer.echo(f"written: {folder}")
