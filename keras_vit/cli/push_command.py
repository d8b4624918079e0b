"""`keras-vit push`: publishes a model on the Hub."""

from pathlib import Path
from typing import Annotated, Any

import typer


def push(
    preset: Annotated[str, typer.Argument(help="Name or folder of a model with weights.")],
    repository: Annotated[str, typer.Argument(help="Where to: owner/name.")],
    private: Annotated[bool, typer.Option("--private", help="Only the owner sees a new repository.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch.", show_default="main")] = None,
    create_pr: Annotated[bool, typer.Option("--pr", help="Propose the change as a pull request.")] = False,
    message: Annotated[str | None, typer.Option(help="Title of the commit.")] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Of the weights, where none is recorded, such as mit.")
    ] = None,
    keras_files: Annotated[
        bool, typer.Option(help="Add files for keras.saving.load_model; the weights are then there twice.")
    ] = True,
    as_is: Annotated[
        bool,
        typer.Option("--as-is", help="Upload the files of the folder as they are, as is always done with adapters."),
    ] = False,
    dry_run: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the files there, upload nothing.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Address of the Hub.", show_default="the usual one")] = None,
) -> None:
    """Publish a model on the Hub: in one commit, with a card, for keras_vit, Keras, timm and transformers.

    The token is that of `hf auth login`, or HF_TOKEN. To change the card first: --dry-run FOLDER, edit
    FOLDER/README.md, then push FOLDER with --as-is.
    """
    from keras_vit import hub, models

    as_is = as_is or hub.is_adapter(Path(preset))
    if as_is and dry_run:
        raise ValueError(
            "--as-is needs no --dry-run: the folder has the files that are uploaded. Leave out one of them."
        )
    given = {"private": private or None, "revision": revision, "license": licence, "endpoint": endpoint}
    request: dict[str, Any] = {"create_pr": create_pr, **given, **({"commit_message": message} if message else {})}
    if as_is:
        typer.echo(str(hub.upload_preset(repository, preset, **request)))
        return
    hub.check_target(repository, revision=revision, create_pr=create_pr)  # before the model is built
    model = models.from_preset(preset)
    result = model.push_to_hub(repository, keras_files=keras_files, dry_run=dry_run or False, **request)
    typer.echo(f"written, not published: {result}" if dry_run else str(result))
