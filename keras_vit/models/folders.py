"""Small steps that all writers of folders share."""

import json
import tempfile
from pathlib import Path
from typing import Any


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes an object as people read it, with a line for each key."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def temporary_folder(repo_id: str) -> Path:
    """Returns a new folder, named like a repository, that stays until somebody deletes it."""
    return Path(tempfile.mkdtemp(prefix="keras_vit-")) / repo_id.split("/")[1]
