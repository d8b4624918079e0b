"""`keras-vit card`: prints or checks the card of a model."""

from pathlib import Path
from typing import Annotated

import typer


def card(
    preset: Annotated[str, typer.Argument(help="Name or folder of a preset with weights; with --check, a folder.")],
    repository: Annotated[
        str | None, typer.Option("--for", metavar="OWNER/NAME", help="The card that `push` would write for it.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check the card in the folder instead, without network.")
    ] = False,
) -> None:
    """Print the card that a model's record gives, or check the one in its folder."""
    if check:
        _check(preset)
        return
    from keras_vit import hub
    from keras_vit.models import certificate, conversion_facts, from_preset, preset_folder

    folder, repo_id = Path(preset).resolve(), repository and hub.check_target(repository)
    has_keras_files = bool(repo_id) or all((folder / name).is_file() for name in hub.KERAS_FILES)
    name = repo_id.split("/")[1] if repo_id else folder.name
    model = from_preset(preset)
    if repo_id:  # as `push` does
        conversion_facts.note(model)
    tolerances = certificate.TOLERANCES if repo_id else None
    card = preset_folder.build_card(
        model, name, repo_id=repo_id, has_keras_files=has_keras_files, tolerances=tolerances
    )
    typer.echo(card, nl=False)


def _check(folder: str) -> None:
    from keras_vit import hub

    problems = hub.check_card(folder)
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise ValueError(f"The card in {folder} has {len(problems)} fault(s):\n{listed}")
    typer.echo(f"{Path(folder) / 'README.md'}: no faults found")
