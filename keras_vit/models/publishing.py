"""Publishing: a model becomes a repository of the Hub, or first a folder to look at."""

import os
import tempfile
from pathlib import Path
from typing import Any

from keras_vit import hub
from keras_vit.models import conversion_facts, preset_folder
from keras_vit.models.folders import temporary_folder


def push(
    model: Any,
    repository: str,
    *,
    dry_run: bool | str | os.PathLike[str],
    license: str | None,  # noqa: A002
    keras_files: bool,
    **request: Any,
) -> hub.Upload | Path:
    """Writes the folder of a model and uploads it; arguments as in `VisionModel.push_to_hub`."""
    repo_id = hub.check_target(
        repository, revision=request["revision"], create_pr=request["create_pr"], token=request["token"]
    )
    model.provenance = hub.resolve_licence(model.provenance, license)
    conversion_facts.note(model)
    if dry_run is not False:
        folder = temporary_folder(repo_id) if dry_run is True else Path(dry_run)
        return preset_folder.save(model, folder, certify=True, has_keras_files=keras_files, repo_id=repo_id)
    with tempfile.TemporaryDirectory(prefix="keras_vit-") as temporary:
        folder = Path(temporary, "preset")
        preset_folder.save(model, folder, certify=True, has_keras_files=keras_files, repo_id=repo_id)
        return hub.upload_preset(repo_id, folder, license=license, **request)
