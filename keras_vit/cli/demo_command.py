"""`keras-vit demo`: a page in the browser that shows what a model says of pictures."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    preset: Annotated[str, typer.Argument(help="Name or folder of a model with weights.")] = "vit_digits",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where to serve.", show_default="the first free from 7860")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    space: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Publish the page as a Space of the Hub instead.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the Space.", show_default="the preset's name")] = None,
    package: Annotated[
        str | None,
        typer.Option(help="What pip installs in the Space.", show_default="keras3-vit of this version, from PyPI"),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Only the owner sees a new Space.")] = False,
    dry_run: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the Space's files there, upload nothing.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Address of the Hub.", show_default="the usual one")] = None,
) -> None:
    """Show a page: drop a picture, see its classes and where the model looks, layer by layer and head by head.

    Everything stays on this machine, unless --space publishes the page.
    """
    from keras_vit import demo as pages

    if space is None and dry_run is None:
        if title or package or private or endpoint:
            raise ValueError("demo needs --space OWNER/NAME for --title, --package, --private and --endpoint.")
        pages.launch(preset, port=port, opens_browser=browser)
    elif dry_run is not None:
        folder = pages.write_space(dry_run, preset, title=title, package=package)
        typer.echo(f"written, not published: {folder}")
    elif space is not None:
        address = pages.push_space(
            space, preset, title=title, package=package, private=private or None, endpoint=endpoint
        )
        typer.echo(f"published: {address}")
