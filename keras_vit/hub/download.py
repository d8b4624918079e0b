"""Downloads: a repository of the Hub as a folder on this machine, all of one commit, every file checked."""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from keras_vit.hub.folder import ADAPTER_FILES, CONFIG_FILE, PROCESSOR_FILE, read_json
from keras_vit.hub.repository import Repository
from keras_vit.hub.snapshot import Snapshot, open_snapshot

_CARD_FILE = "README.md"  # says the licence
_KERAS_HUB_FILES = ("metadata.json", "task.json", "preprocessor.json", "image_converter.json")
_KERAS_HUB_WEIGHTS = "model.weights.h5"
_KERAS_HUB_HEAD = "task.weights.h5"
_WEIGHTS_FILE = "model.safetensors"
_INDEX_FILE = "model.safetensors.index.json"
_SHARD_NAME = re.compile(r"[\w.-]+\.safetensors", re.ASCII)
_MAX_SHARDS = 1000


def download(
    repo_id: str,
    revision: str | None = None,
    *,
    load_weights: bool = True,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    endpoint: str | None = None,
    local_files_only: bool = False,
    known_names: Collection[str] = (),
    check_settings: Callable[[Path], object] | None = None,
) -> tuple[Path, str]:
    """Fetches what a model needs of a repository, and nothing else of it.

    The revision becomes one commit first, and all files are of that commit. Each file is compared once with the hash
    that the Hub states. Without a connection, what was fetched before is used.

    Args:
        repo_id: Repository, "owner/name".
        revision: Branch, tag or commit; None means the main branch. A full commit that is in the cache needs no
            connection.
        load_weights: False leaves out the weights.
        token: Access token; None takes the one that is logged in, False none.
        cache_dir: Folder of the cache; None takes the Hub client's own.
        endpoint: Address of the Hub; None takes the usual one.
        local_files_only: True looks in the cache only.
        known_names: Repositories to suggest where this one does not exist.
        check_settings: Called with the folder before the weights are fetched; what it raises is passed on.

    Returns:
        The folder, and the commit that its files belong to.

    Raises:
        ValueError: `repo_id`, `revision` or `endpoint` is not of the form that the Hub allows, or the repository holds
            no model in files that are safe to open.
        OSError: The repository, the revision or a file does not exist (FileNotFoundError) or may not be read
            (PermissionError), the Hub cannot be reached (ConnectionError, TimeoutError), the disk is full, or what
            arrived is damaged. The message says what to do.
    """
    repository = Repository(
        repo_id=repo_id,
        revision=revision,
        token=token,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        endpoint=endpoint,
        known_names=known_names,
    )
    snapshot = open_snapshot(repository, local_files_only=local_files_only)
    if not snapshot.has(CONFIG_FILE) and snapshot.has(ADAPTER_FILES[0]):
        _fetch_adapter(snapshot, check_settings)
        return snapshot.folder, snapshot.commit
    snapshot.fetch([CONFIG_FILE])
    config = read_json(snapshot.folder / CONFIG_FILE)
    snapshot.fetch(_settings_files(config, snapshot))
    if check_settings is not None:
        check_settings(snapshot.folder)
    if load_weights:
        snapshot.fetch(_weights_files(config, snapshot))
    return snapshot.folder, snapshot.commit


def _fetch_adapter(snapshot: Snapshot, check_settings: Callable[[Path], object] | None) -> None:
    settings_file, weights_file = ADAPTER_FILES
    snapshot.fetch([settings_file, *([_CARD_FILE] if snapshot.has(_CARD_FILE) else [])])
    if check_settings is not None:
        check_settings(snapshot.folder)
    if not snapshot.has(weights_file):
        snapshot.refuse_other_weights(weights_file)
    snapshot.fetch([weights_file])


def _is_keras_hub(config: dict[str, Any]) -> bool:
    return str(config.get("registered_name", "")).startswith("keras_hub>")


def _settings_files(config: dict[str, Any], snapshot: Snapshot) -> list[str]:
    files = [_CARD_FILE, *(_KERAS_HUB_FILES if _is_keras_hub(config) else ())]
    files = [name for name in files if snapshot.has(name)]
    # Without a list of what there should be, wrong preprocessing is worse than an error.
    if "model_type" in config and (snapshot.has(PROCESSOR_FILE) or not snapshot.is_listed):
        files.append(PROCESSOR_FILE)
    return files


def _weights_files(config: dict[str, Any], snapshot: Snapshot) -> list[str]:
    if _is_keras_hub(config):
        return [_KERAS_HUB_WEIGHTS, *([_KERAS_HUB_HEAD] if snapshot.has(_KERAS_HUB_HEAD) else [])]
    if snapshot.has(_WEIGHTS_FILE):
        return [_WEIGHTS_FILE]
    if snapshot.has(_INDEX_FILE):
        snapshot.fetch([_INDEX_FILE])
        return _shards(snapshot.folder / _INDEX_FILE)
    snapshot.refuse_other_weights(_WEIGHTS_FILE)
    return [_WEIGHTS_FILE]


def _shards(index: Path) -> list[str]:
    """Returns the files that an index names; what else is wrong with it, its reader says."""
    weight_map = read_json(index).get("weight_map")
    names = sorted(set(map(str, weight_map.values()))) if isinstance(weight_map, dict) else []
    strange = [name for name in names if not _SHARD_NAME.fullmatch(name)]
    if strange or len(names) > _MAX_SHARDS:
        found = repr(strange[0]) if strange else f"{len(names)} files"
        raise ValueError(
            f"{index} is refused: it needs at most {_MAX_SHARDS} plain names of .safetensors files; got {found}."
        )
    return names
