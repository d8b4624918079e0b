"""Downloads: a repository of the Hub as a folder on this machine."""

from pathlib import Path
from typing import Any

SETTINGS_FILES = (
    *("config.json", "preprocessor_config.json", "metadata.json"),
    *("task.json", "preprocessor.json", "image_converter.json"),  # KerasHub's
)
WEIGHTS_PATTERNS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors", "*.weights.h5")


def download(
    repo_id: str,
    revision: str | None = None,
    *,
    load_weights: bool = True,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    endpoint: str | None = None,
    local_files_only: bool = False,
) -> tuple[Path, str]:
    """Fetches what a model needs of a repository, and nothing else of it.

    Args:
        repo_id: Repository, "owner/name".
        revision: Branch, tag or commit; None means the main branch.
        load_weights: False leaves out the weights.
        token: Access token; None takes the one that is logged in, False none.
        cache_dir: Folder of the cache; None takes the Hub client's own.
        endpoint: Address of the Hub; None takes the usual one.
        local_files_only: True looks in the cache only.

    Returns:
        The folder, and the commit that its files belong to.

    Raises:
        OSError: The repository or revision does not exist, or cannot be reached.
    """
    from huggingface_hub import snapshot_download

    patterns = [*SETTINGS_FILES, *(WEIGHTS_PATTERNS if load_weights else ())]
    options: dict[str, Any] = {"token": token, "cache_dir": cache_dir, "endpoint": endpoint}
    folder = Path(
        snapshot_download(
            repo_id, revision=revision, allow_patterns=patterns, local_files_only=local_files_only, **options
        )
    )
    return folder, folder.name  # the client names the folder by the commit
