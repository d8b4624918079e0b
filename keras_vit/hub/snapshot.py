"""Snapshots: the files of one commit in the cache, fetched as needed, and each compared once with its hash."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_vit.hub.repository import RemoteFile, Repository, write_text

_NOTES_FOLDER = ".keras_vit"
_MAX_TEXT_BYTES = 25_000_000
_TEXT_SUFFIXES = (".json", ".md")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".keras", ".h5", ".msgpack", ".onnx", ".npz")


class Snapshot:
    """The files of one commit. Made by `open_snapshot`.

    What the Hub said of the files, and which have been compared with it, is noted in the repository's folder of the
    cache, so that later loads are quick and know without a connection whether all is there.

    Args:
        repository: Where the files come from.
        commit: The commit.
        files: What the Hub says of each file; None where it has not been asked.
        is_online: Whether missing files may be fetched.
    """

    def __init__(
        self, repository: Repository, commit: str, files: dict[str, RemoteFile] | None, *, is_online: bool
    ) -> None:
        self._repository = repository
        self._is_online = is_online
        self._notes = _notes_path(repository, commit)
        noted = _read_notes(self._notes)
        self._files = files if files is not None else _noted_files(noted)
        checked = noted.get("checked")
        self._checked: dict[str, Any] = checked if isinstance(checked, dict) else {}
        self.commit = commit
        self.folder = repository.storage / "snapshots" / commit

    @property
    def is_listed(self) -> bool:
        """Whether it is known which files the commit has, fetched or not."""
        return self._files is not None

    def has(self, name: str) -> bool:
        """Tells whether the commit has a file; where that is not known, whether it is in the cache."""
        return name in self._files if self._files is not None else (self.folder / name).is_file()

    def fetch(self, names: Iterable[str]) -> None:
        """Sees to it that these files are in the folder and undamaged.

        Raises:
            OSError: A file does not exist, cannot be fetched, or is damaged.
            ValueError: A file of settings is too large.
        """
        names = list(names)
        missing = [name for name in names if not (self.folder / name).is_file()]
        self._check_missing(missing)
        for name in names:
            if name in missing:
                self._repository.get(name, self.commit)
            self._verify(name)

    def refuse_other_weights(self, needed: str) -> None:
        """Raises where the commit has weights only in files that are not read."""
        others = sorted(name for name in self._files or () if name.endswith(_OTHER_WEIGHTS) and "/" not in name)
        if others and self._files is not None:
            raise ValueError(
                f"{self._repository.repo_id} has its weights in {', '.join(others[:3])}: such files are not fetched, "
                f"because some can run code when they are opened. Look for a revision with {needed}, or convert it "
                "with the library that wrote it."
            )

    def _check_missing(self, missing: list[str]) -> None:
        repo_id, cache = self._repository.repo_id, self._repository.storage.parent
        absent = [name for name in missing if self._files is not None and name not in self._files]
        if absent:
            raise FileNotFoundError(
                f"{repo_id} has no {' and no '.join(absent)} at commit {self.commit}. Is it a repository of a vision "
                "model, and of the revision you mean?"
            )
        if missing and not self._is_online:
            raise FileNotFoundError(
                f"Only a part of {repo_id} is in the cache {cache}: {', '.join(missing)} of commit {self.commit} "
                "is missing. Load it once with a connection, without local_files_only and HF_HUB_OFFLINE."
            )
        sizes = {name: self._files[name].size or 0 for name in missing} if self._files is not None else {}
        for name, size in sizes.items():
            if name.endswith(_TEXT_SUFFIXES) and size > _MAX_TEXT_BYTES:
                raise ValueError(f"{name} of {repo_id} has {size} bytes; {_MAX_TEXT_BYTES} are the most that is read.")
        _check_space(repo_id, cache, sum(sizes.values()))

    def _verify(self, name: str) -> None:
        """Compares a file with the hash that the Hub states, unless that was done before and it did not change."""
        path = self.folder / name
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        if self._checked.get(name) == stamp:
            return
        expected = self._files.get(name) if self._files is not None else _named_by_hash(path)
        found = _hash_like(path, expected)
        if expected is None or found is None:
            return  # nothing is known to compare it with
        if found != (expected.sha256 or expected.blob_id):
            left = _remove(path)
            raise OSError(
                f"{name} of {self._repository.repo_id} is damaged: its hash is {found}, the Hub states "
                f"{expected.sha256 or expected.blob_id}. {left}"
            )
        self._checked[name] = stamp
        if self._files is not None:
            listed = {name: dataclasses.asdict(file) for name, file in self._files.items()}
            write_text(self._notes, json.dumps({"files": listed, "checked": self._checked}))


def open_snapshot(repository: Repository, *, local_files_only: bool) -> Snapshot:
    """Finds the commit that a revision stands for: by the Hub or, without a connection, as it was last time.

    Raises:
        OSError: The Hub does not have it, or cannot be reached and the cache does not have it either.
    """
    from huggingface_hub import constants

    cached = repository.cached_commit()
    is_offline = local_files_only or bool(constants.HF_HUB_OFFLINE)
    if cached is not None:
        # A commit never changes: what was noted of it is as good as the Hub's answer.
        is_known = repository.commit is not None and _noted_files(_read_notes(_notes_path(repository, cached)))
        if is_offline or is_known:
            return Snapshot(repository, cached, None, is_online=not is_offline)
    elif is_offline:
        reason = "local_files_only is set" if local_files_only else "HF_HUB_OFFLINE is set"
        raise FileNotFoundError(
            f"{repository.repo_id} at revision {repository.revision or 'main'!r} is not in the cache "
            f"{repository.storage.parent}, and {reason}. Load it once with a connection."
        )
    try:
        commit, files = repository.ask(is_patient=cached is None)
    except (ConnectionError, TimeoutError) as error:
        if cached is None:
            raise
        sys.stderr.write(f"{error} Taking commit {cached} from the cache.\n")
        return Snapshot(repository, cached, None, is_online=False)
    return Snapshot(repository, commit, files, is_online=True)


def _notes_path(repository: Repository, commit: str) -> Path:
    return repository.storage / _NOTES_FOLDER / f"{commit}.json"


def _read_notes(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        notes = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(notes, dict):
            return notes
    return {}


def _noted_files(notes: dict[str, Any]) -> dict[str, RemoteFile] | None:
    with contextlib.suppress(AttributeError, KeyError, TypeError):  # notes of another version
        return {name: RemoteFile(**file) for name, file in notes["files"].items()}
    return None


def _check_space(repo_id: str, cache: Path, needed: int) -> None:
    existing = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{repo_id} needs {needed / 1e6:.1f} MB in the cache {cache}, which has {free / 1e6:.1f} MB left. Make "
            "room or choose another place with cache_dir= or HF_HOME.",
        )


def _named_by_hash(path: Path) -> RemoteFile | None:
    """The cache names large files by their hash, also those that another program fetched."""
    name = Path(path.readlink()).name if path.is_symlink() else ""
    return RemoteFile(None, name, None) if _SHA256.fullmatch(name) else None


def _hash_like(path: Path, expected: RemoteFile | None) -> str | None:
    """Returns the hash of a file, of the kind that is known of it."""
    if expected is not None and expected.sha256:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and expected.blob_id:
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return None


def _remove(path: Path) -> str:
    """Deletes a damaged file from the cache, links and content, and returns what became of it."""
    try:
        while path.is_symlink():
            target = path.parent / path.readlink()
            path.unlink()
            path = target
        path.unlink(missing_ok=True)
    except OSError:
        return f"It could not be deleted from the cache; delete {path} and load again."
    return "It was deleted from the cache; load again to fetch it anew."
