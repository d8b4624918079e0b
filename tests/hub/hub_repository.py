"""The content of the local hub for tests: repositories, their commits, branches, tags and pull requests."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

_LFS_SUFFIXES = (".safetensors", ".h5", ".npz", ".npy", ".bin", ".pt", ".keras", ".png", ".zip")
_LFS_BYTES = 10_000_000
_GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LFS_SUFFIXES).encode()


class HubError(Exception):
    """An answer other than success: status, code for the client, and words."""

    def __init__(self, status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {**({"X-Error-Code": code} if code else {}), "X-Error-Message": message, **(headers or {})}


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a commit."""

    content: bytes
    is_lfs: bool

    @property
    def blob_id(self) -> str:
        stored = lfs_pointer(self.content) if self.is_lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.blob_id

    def describe(self, path: str) -> dict[str, Any]:
        """Returns an entry of a tree listing."""
        entry = {"type": "file", "path": path, "size": len(self.content), "oid": self.blob_id}
        if self.is_lfs:
            size = len(lfs_pointer(self.content))
            entry["lfs"] = {"oid": self.sha256, "size": len(self.content), "pointerSize": size}
        return entry

    def describe_sibling(self, path: str) -> dict[str, Any]:
        """Returns an entry of the list of files in a description of the repository."""
        entry = {"rfilename": path, "size": len(self.content), "blobId": self.blob_id}
        if self.is_lfs:
            size = len(lfs_pointer(self.content))
            entry["lfs"] = {"sha256": self.sha256, "size": len(self.content), "pointerSize": size}
        return entry


@dataclasses.dataclass(frozen=True)
class Commit:
    """A state of all files."""

    oid: str
    parent: str | None
    title: str
    files: dict[str, File]


class Repository:
    """One repository.

    Args:
        repo_id: "owner/name".
        private: Whether only the owner sees it.
        gated: Whether files are for `granted` users only; everybody sees that it exists.
    """

    def __init__(self, repo_id: str, *, private: bool = False, gated: bool = False) -> None:
        self.repo_id = repo_id
        self.private = private
        self.gated = gated
        self.granted: set[str] = set()
        self.commits: dict[str, Commit] = {}
        self.refs: dict[str, str] = {}  # "refs/heads/main" -> commit
        self.pull_requests: list[dict[str, Any]] = []
        attributes = File(_GIT_ATTRIBUTES, is_lfs=False)
        self._add("refs/heads/main", None, "initial commit", {".gitattributes": attributes})

    @property
    def owner(self) -> str:
        return self.repo_id.split("/")[0]

    def find(self, revision: str) -> Commit:
        """Returns the commit of a branch, tag, pull request or commit."""
        for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if name in self.refs:
                return self.commits[self.refs[name]]
        if revision in self.commits:
            return self.commits[revision]
        raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def file(self, revision: str, path: str) -> tuple[Commit, File]:
        commit = self.find(revision)
        if path not in commit.files:
            raise HubError(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit.oid})
        return commit, commit.files[path]

    def commit(self, files: Mapping[str, bytes | None], *, branch: str = "main", title: str = "update") -> str:
        """Puts files on a branch, with None for those to delete, and returns the commit."""
        parent = self.commits[self.refs[f"refs/heads/{branch}"]]
        changed = {**parent.files}
        for path, content in files.items():
            changed.pop(path, None)
            if content is not None:
                changed[path] = File(content, is_lfs=wants_lfs(path, len(content)))
        return self._add(f"refs/heads/{branch}", parent.oid, title, changed).oid

    def apply(self, revision: str, lines: Iterable[bytes], objects: Mapping[str, bytes], creates_pr: bool) -> Commit:
        """Applies a commit as the client sends it, one JSON object a line, all of it or nothing."""
        base, header, files = self.find(revision), {}, dict(self.find(revision).files)
        for line in lines:
            entry = json.loads(line)
            kind, value = entry["key"], entry["value"]
            if kind == "header":
                header = value
            elif kind == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), is_lfs=False)
            elif kind == "lfsFile":
                if value["oid"] not in objects:
                    raise HubError(400, None, f"Your push was rejected: LFS object {value['oid']} is missing")
                files[value["path"]] = File(objects[value["oid"]], is_lfs=True)
            elif kind == "deletedFile":
                if files.pop(value["path"], None) is None:
                    raise HubError(404, "EntryNotFound", "A file with this name doesn't exist")
            elif kind == "deletedFolder":
                folder = value["path"].rstrip("/") + "/"
                files = {path: file for path, file in files.items() if not path.startswith(folder)}
        if header.get("parentCommit") not in (None, base.oid):
            raise HubError(412, None, "A commit has happened since. Please refresh and try again.")
        ref = self.open_pull_request(header["summary"], base) if creates_pr else self._ref_of(revision)
        return self._add(ref, base.oid, header["summary"], files)

    def open_pull_request(self, title: str, base: Commit) -> str:
        """Opens a pull request, and returns its ref."""
        number = len(self.pull_requests) + 1
        self.pull_requests.append({"num": number, "title": title, "isPullRequest": True, "status": "open"})
        self.refs[f"refs/pr/{number}"] = base.oid
        return f"refs/pr/{number}"

    def create_ref(self, ref: str, revision: str) -> None:
        if ref in self.refs:
            raise HubError(409, None, "Reference already exists")
        self.refs[ref] = self.find(revision).oid

    def _ref_of(self, revision: str) -> str:
        for ref in (revision, f"refs/heads/{revision}"):
            if ref in self.refs:
                return ref
        raise HubError(400, None, "Commits need a branch")

    def _add(self, ref: str, parent: str | None, title: str, files: dict[str, File]) -> Commit:
        content = json.dumps([self.repo_id, len(self.commits), parent, title, sorted(files)])
        commit = Commit(hashlib.sha1(content.encode()).hexdigest(), parent, title, files)
        self.commits[commit.oid] = commit
        self.refs[ref] = commit.oid
        return commit


def wants_lfs(path: str, size: int) -> bool:
    return path.endswith(_LFS_SUFFIXES) or size > _LFS_BYTES


def lfs_pointer(content: bytes) -> bytes:
    """Returns what git keeps in place of a large file."""
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()
