"""Spaces: the page as three files that a Space of the Hub runs, written to a folder or uploaded in one commit."""

import functools
import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from keras_vit import hub
from keras_vit.hub.upload_errors import clear_errors, retry
from keras_vit.models import catalogue

COMMIT_MESSAGE = "Demo with keras_vit"


def write_space(
    folder: str | os.PathLike[str], preset: str, *, title: str | None = None, package: str | None = None
) -> Path:
    """Writes app.py, requirements.txt and README.md of a Space.

    Args:
        folder: Where to write; a new or empty folder, or one with an older version of these files.
        preset: Name in the catalogue or Hub repository, which the Space can load as well.
        title: Of the Space; None takes the preset's name.
        package: What pip installs there, such as "keras3-vit[demo,jax] @ git+https://..."; None takes this version from
            PyPI.

    Raises:
        ValueError: The preset is a folder of this machine, or the folder holds other files.
        ImportError: Gradio is not installed.
    """
    files, folder = _contents(preset, title, package), Path(folder)
    others = sorted(path.name for path in folder.iterdir() if path.name not in files) if folder.exists() else []
    if others:
        raise ValueError(f"A Space needs a folder of its own; {folder} holds {', '.join(others[:5])}. Choose another.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def push_space(
    space: str,
    preset: str,
    *,
    title: str | None = None,
    package: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> str:
    """Makes a Space where there is none, uploads the page in one commit, and returns the address of the Space.

    Args:
        space: "owner/name".
        preset: As in `write_space`.
        title: Likewise.
        package: Likewise.
        private: Whether only the owner sees a new Space; None takes the owner's default.
        token: Access token; None takes the one that is logged in.
        endpoint: Address of the Hub; None takes the usual one.

    Raises:
        ValueError: The preset is a folder of this machine, or the Space's name or the token is odd.
        PermissionError: The token is unknown to the Hub, or may not write there.
        OSError: The Hub cannot be reached, fails or refuses the upload.
        ImportError: Gradio is not installed.
    """
    repo_id = hub.check_target(space, token=token)
    files = _contents(preset, title, package)

    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=endpoint, token=token)
    operations = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=text.encode("utf-8")) for name, text in files.items()
    ]
    make = functools.partial(
        api.create_repo, repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True
    )
    publish = functools.partial(
        api.create_commit, repo_id, operations, repo_type="space", commit_message=COMMIT_MESSAGE
    )
    with clear_errors(repo_id, api.endpoint):
        retry(make)
        retry(publish)
    return f"{api.endpoint}/spaces/{repo_id}"


def _contents(preset: str, title: str | None, package: str | None) -> dict[str, str]:
    entry = catalogue.find(preset)
    is_packaged = entry.folder is not None and Path(__file__).parents[1] in entry.folder.resolve().parents
    if entry.hub_id is None and not is_packaged:
        raise ValueError(
            f"A Space needs a model that it can load; {preset!r} is a folder of this machine. Publish it first: "
            "keras-vit push FOLDER owner/name, then name the demo's model owner/name."
        )
    requirement = package or f"keras3-vit[demo,jax]=={version('keras3-vit')}"
    return {
        "app.py": _APP.format(preset=preset.removeprefix("hf://")),
        "requirements.txt": f"{requirement}\n",
        "README.md": _read_me(preset, title or preset, entry.hub_id),
    }


def _read_me(preset: str, title: str, hub_id: str | None) -> str:
    try:
        sdk_version = version("gradio")
    except PackageNotFoundError as error:
        raise ImportError("A Space needs an extra: pip install 'keras3-vit[demo]'") from error
    metadata = {
        "title": title,
        "sdk": "gradio",
        "sdk_version": sdk_version,
        "app_file": "app.py",
        "pinned": False,
        **({"models": [hub_id]} if hub_id else {}),
    }
    # JSON is YAML, and needs no care for characters that mean something there.
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in metadata.items())
    return f"---\n{lines}---\n\n{_READ_ME.format(preset=preset)}"


_APP = '''"""A page that names what is in a picture and shows where the model looks."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

from keras_vit.demo import launch  # noqa: E402 (the backend is chosen before)

launch("{preset}")
'''
_READ_ME = """`{preset}`, run by keras_vit (keras3-vit): what is in a picture, and where the model looks.

The same page on your own machine: `keras-vit demo {preset}`.
"""
