"""A repository of the Hub: what is asked of the server, and where the client's cache keeps it."""

import contextlib
import dataclasses
import os
import re
import secrets
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from keras_vit.hub.repository_errors import clear_errors, retry
from keras_vit.hub.response_headers import watch_answers

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_MAX_ID = 96
_MAX_REVISION = 255
# What git allows in no name; without ".." and a leading "/" a revision stays in its folder of the cache.
_NO_REVISION = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^[/.-]|/\.|[/.]$|\.lock$")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DELAYS = (1.0, 3.0)  # seconds between tries
_PARTIAL = re.compile(r"\w+\.[0-9a-f]{8}\.incomplete", re.ASCII)  # what the client calls a file while it arrives
_ABANDONED_SECONDS = 24 * 60 * 60


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """What the Hub says of a file.

    Args:
        size: Bytes.
        sha256: Of the content; None of small files, which git itself keeps.
        blob_id: Name that git gives to the content of small files.
    """

    size: int | None
    sha256: str | None
    blob_id: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository, one revision of it, and the way there; arguments as in `download`.

    Raises:
        ValueError: An argument is not of the form that the Hub allows.
    """

    repo_id: str
    revision: str | None
    token: str | bool | None = dataclasses.field(repr=False)
    cache_dir: Path | None
    endpoint: str | None
    known_names: Collection[str] = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        repo_id, revision, endpoint = self.repo_id, self.revision, self.endpoint
        if not _ID.fullmatch(repo_id) or ".." in repo_id or "--" in repo_id or len(repo_id) > _MAX_ID:
            raise ValueError(f"A Hub repository needs the form owner/name; got {repo_id=}.")
        if revision is not None and (not 0 < len(revision) <= _MAX_REVISION or _NO_REVISION.search(revision)):
            raise ValueError(f"A revision needs to be the name of a branch or tag, or a commit; got {revision=}.")
        if endpoint is not None and not re.fullmatch(r"https?://[^\s@]+", endpoint):
            raise ValueError(f"An endpoint needs the form https://host; got {endpoint=}.")

    @property
    def address(self) -> str:
        """Where the Hub is."""
        from huggingface_hub import constants

        return (self.endpoint or constants.ENDPOINT).rstrip("/")

    @property
    def storage(self) -> Path:
        """Folder of the cache for this repository."""
        from huggingface_hub import constants

        cache = Path(self.cache_dir or constants.HF_HUB_CACHE).expanduser().resolve()
        return cache / f"models--{self.repo_id.replace('/', '--')}"

    @property
    def commit(self) -> str | None:
        """The revision, where it is a whole commit."""
        return self.revision if _COMMIT.fullmatch(self.revision or "") else None

    def cached_commit(self) -> str | None:
        """Returns the commit that the revision was at when it was last asked for; None if nothing of it is there."""
        commit = self.commit
        if commit is None:
            with contextlib.suppress(OSError, ValueError):
                commit = self._ref.read_text(encoding="ascii").strip()
        is_there = commit is not None and _COMMIT.fullmatch(commit) and (self.storage / "snapshots" / commit).is_dir()
        return commit if is_there else None

    def ask(self, *, is_patient: bool) -> tuple[str, dict[str, RemoteFile]]:
        """Asks the Hub for the commit that the revision is at, and for its files.

        Args:
            is_patient: Whether to try again where the Hub is busy.

        Raises:
            OSError: As in `download`.
        """
        from huggingface_hub import HfApi, constants

        api = HfApi(endpoint=self.endpoint, token=self.token, library_name="keras_vit")
        options: dict[str, Any] = {"files_metadata": True, "timeout": constants.HF_HUB_ETAG_TIMEOUT}
        with clear_errors(self):
            info = retry(
                lambda: api.model_info(self.repo_id, revision=self.revision, **options),
                delays=_DELAYS if is_patient else (),
            )
            files = {file.rfilename: _describe(file) for file in info.siblings or ()}
        if not _COMMIT.fullmatch(info.sha or ""):
            raise OSError(f"{self.address} named no commit of {self.repo_id}; got {info.sha!r}. Is it a Hub?")
        if self.commit is None:
            write_text(self._ref, str(info.sha))
        return str(info.sha), files

    def get(self, name: str, commit: str) -> Path:
        """Fetches a file into the cache, and returns it.

        Raises:
            OSError: As in `download`.
        """
        from huggingface_hub import hf_hub_download

        options: dict[str, Any] = {"token": self.token, "endpoint": self.endpoint, "library_name": "keras_vit"}
        options |= {"cache_dir": self.storage.parent, "revision": commit}
        with clear_errors(self, name):
            watch_answers()
            path = Path(retry(lambda: hf_hub_download(self.repo_id, name, **options), delays=_DELAYS))
        if path != self.storage / "snapshots" / commit / name:
            raise OSError(f"{self.address} sent {name} of {self.repo_id} as of another commit than {commit}.")
        _remove_abandoned(self.storage / "blobs")
        return path

    def revisions(self) -> list[str]:
        """Returns the names of branches and tags; none where they cannot be had."""
        from huggingface_hub import HfApi

        with contextlib.suppress(Exception):  # a hint only, in a message about something else
            refs = HfApi(endpoint=self.endpoint, token=self.token).list_repo_refs(self.repo_id)
            return [ref.name for ref in (*refs.branches, *refs.tags)]
        return []

    @property
    def _ref(self) -> Path:
        return self.storage / "refs" / (self.revision or "main")


def write_text(path: Path, text: str) -> None:
    """Writes a note into the cache in one step; a cache that cannot be written to goes without."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)


def _remove_abandoned(folder: Path) -> None:
    """Deletes what downloads that were killed left: the client takes a new name each time, and never looks back."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            # Younger ones may belong to a download that is still running; those are written to all the time.
            if _PARTIAL.fullmatch(path.name) and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)


def _describe(file: Any) -> RemoteFile:
    return RemoteFile(file.size, file.lfs.sha256 if file.lfs else None, None if file.lfs else file.blob_id)
