"""Checks before an upload: nothing leaves this machine that is incomplete, of somebody else or not to be published."""

import os
import re
from pathlib import Path
from typing import Any

from keras_vit.hub.card_check import check_card
from keras_vit.hub.client_errors import ODD_TOKEN
from keras_vit.hub.folder import ADAPTER_FILES, CONFIG_FILE, KERAS_FILES, PRESET_FILES, is_adapter, read_settings
from keras_vit.hub.licences import read_card_licence, resolve_licence

_NEEDED_FILES = (CONFIG_FILE, "model.safetensors", "README.md")
_REPOSITORY = re.compile(r"(?:hf://)?([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)", re.ASCII)
_MAX_NAME = 96  # characters, as the Hub counts


def check_target(
    repository: str, *, revision: str | None = None, create_pr: bool = False, token: str | bool | None = None
) -> str:
    """Returns the "owner/name" of a repository to upload to, before any work is done for it.

    Raises:
        ValueError: The name, the revision or the token is not of the form that it needs.
    """
    found = _REPOSITORY.fullmatch(repository)
    if found is None or ".." in repository or "--" in repository or len(found[1]) > _MAX_NAME:
        raise ValueError(
            f'Publishing needs a repository "owner/name"; got {repository!r}. The owner is your user name.'
        )
    if revision is not None and (not re.fullmatch(r"\w[\w./-]{0,254}", revision, re.ASCII) or ".." in revision):
        raise ValueError(f"revision needs the name of a branch, such as main or v2; got {revision=}.")
    if revision is not None and re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(f"revision needs the name of a branch, because nothing is added to a commit; got {revision=}.")
    if revision is not None and create_pr:
        raise ValueError(f"create_pr=True is for the main branch; got {revision=}. Leave out one of them.")
    # Unsaid which: the client's own error would show the token.
    if isinstance(token, str) and not re.fullmatch(r"[!-~]+", token):
        raise ValueError(ODD_TOKEN)
    return found[1]


def check_folder(folder: Path, license: str | None = None) -> dict[str, Path]:  # noqa: A002
    """Returns the files to upload by name.

    Raises:
        FileNotFoundError: There is no such folder, or no config.json in it.
        ValueError: It is no complete preset, or its weights may not be published under what it says.
    """
    settings = read_settings(folder)
    if {"keras_vit", "keras_vit_version"}.isdisjoint(settings):
        raise ValueError(
            f"Publishing needs a folder that keras_vit wrote; {folder} holds another model. Convert it first: "
            "keras_vit.convert(FOLDER, NEW_FOLDER)."
        )
    files = {name: folder / name for name in PRESET_FILES if os.path.lexists(folder / name)}
    odd = [name for name, path in files.items() if path.is_symlink() or not path.is_file()]
    if odd:  # a link could lead to anything on this machine
        raise ValueError(f"Publishing needs plain files; {', '.join(odd)} in {folder} are not. Copy the content there.")
    needed = (*_NEEDED_FILES, *(KERAS_FILES if "registered_name" in settings else ()))
    if is_adapter(folder):
        needed = (*ADAPTER_FILES, "README.md")
    missing = [name for name in needed if name not in files]
    if missing:
        raise ValueError(f"Publishing needs a complete preset; {folder} lacks {', '.join(missing)}. Save it again.")
    _check_weights(files[ADAPTER_FILES[1] if is_adapter(folder) else "model.safetensors"])
    _check_licence(settings, files["README.md"], license)
    faults = check_card(folder)
    if faults:
        listed = "\n".join(f"- {fault}" for fault in faults)
        raise ValueError(f"Publishing needs a card without faults; {files['README.md']} has {len(faults)}:\n{listed}")
    return files


def _check_licence(settings: dict[str, Any], card: Path, named: str | None) -> None:
    section = settings.get("keras_vit")
    stated = section.get("provenance") or {} if isinstance(section, dict) else read_card_licence(card)
    if resolve_licence(stated, named)["license"] != str(stated.get("license")).strip().lower():
        raise ValueError(
            f"license needs to be what the folder says, {stated.get('license')!r}; got license={named!r}. Load the "
            "model and publish that with model.push_to_hub(..., license=...), which writes the folder anew."
        )


def _check_weights(path: Path) -> None:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="np"):
            return
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}. Save the model again.") from error
