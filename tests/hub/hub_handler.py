"""The answers of the local hub for tests: one function for each thing that the client asks."""

import hashlib
import http.server
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from tests.hub.hub_repository import HubError, Repository, wants_lfs


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests to one origin: "hub", or "storage" where large files lie."""

    hub: Any  # the HubServer
    origin: str
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        body = self._read_body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.fault = self.hub.register(self.origin, self.command, self.path, headers, body)
        if self.fault.cut is None and self.fault.wait:
            self.hub.closing.wait(self.fault.wait)
        if self.fault.hang_up:
            self.close_connection = True
            return
        try:
            if self.fault.status is not None:
                raise HubError(self.fault.status, None, "injected fault")
            self._route(body)
        except HubError as error:
            self.reply_json({"error": str(error)}, status=error.status, **error.headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815, the names that http.server asks for

    def log_message(self, *args: object) -> None:
        """The log is `HubServer.requests`."""

    def reply(self, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Sends an answer, with what the fault does to it."""
        content = self.fault.body(content)
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if status == 200 else None
        sent = {"Content-Length": str(len(content)), **(headers or {})}
        if start:
            first, length = int(start[1]), len(content)
            content, status = content[first:], 206
            sent |= {"Content-Range": f"bytes {first}-{length - 1}/{length}", "Content-Length": str(len(content))}
        self.send_response(status)
        for name, value in {**sent, **self.fault.headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content[: self.fault.cut])
        if self.fault.cut is not None:
            self.wfile.flush()
            self.hub.closing.wait(self.fault.wait)
            self.close_connection = True

    def reply_json(self, content: Any, status: int = 200, **headers: str) -> None:
        content = json.dumps(content).encode()
        self.reply(content, status=status, headers={"Content-Type": "application/json", **headers})

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _route(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        for pattern, action in _ROUTES:
            if found := re.fullmatch(pattern, f"{self.origin} {self.command} {path}"):
                self.query = dict(urllib.parse.parse_qsl(query))
                parts = {name: urllib.parse.unquote(part) for name, part in found.groupdict().items() if part}
                action(self, body, **parts)
                return
        raise HubError(404, None, f"the local hub has no {self.command} {path}")

    def user(self) -> str | None:
        """Returns whom the token belongs to, None without a token."""
        header = self.headers.get("Authorization")
        if header is None:
            return None
        user = self.hub.users.get(header.removeprefix("Bearer "))
        if user is None:
            raise HubError(401, None, "Invalid credentials in Authorization header")
        return user

    def repository(self, repo: str) -> Repository:
        """Returns a repository that the user may see."""
        user, found = self.user(), self.hub.repositories.get(repo)
        if found is None or (found.private and user != found.owner):
            raise HubError(404 if user else 401, "RepoNotFound", "Repository not found")
        return found

    def writer(self) -> str:
        """Returns whom the token belongs to; without one nothing is written."""
        user = self.user()
        if user is None:
            raise HubError(401, None, "Invalid username or password.")
        return user

    def check_gate(self, found: Repository) -> None:
        user = self.user()
        if found.gated and user != found.owner and user not in found.granted:
            message = f"Access to model {found.repo_id} is restricted"
            raise HubError(403 if user else 401, "GatedRepo", message)

    def writable(self, repo: str, revision: str = "main") -> Repository:
        """Returns a repository that the user may write to, if only by a pull request."""
        found, is_proposal = self.repository(repo), "create_pr" in self.query or revision.startswith("refs/pr/")
        if self.writer() != found.owner and not is_proposal:
            raise HubError(403, None, "You have no permission to write to this repository")
        return found


def _resolve(handler: Handler, body: bytes, repo: str, revision: str, path: str) -> None:
    found = handler.repository(repo)
    handler.check_gate(found)
    commit, file = found.file(revision, path)
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.etag}"', "Content-Type": "application/octet-stream"}
    if not file.is_lfs:
        handler.reply(file.content, headers=headers)
        return
    handler.hub.objects[file.sha256] = file.content
    location = f"{handler.hub.address('storage')}/objects/{file.sha256}?signature=secret"
    linked = {"Location": location, "X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(file.content))}
    handler.reply(b"", status=302, headers=headers | linked)


def _model_info(handler: Handler, body: bytes, repo: str, revision: str = "main") -> None:
    found = handler.repository(repo)
    commit = found.find(revision)
    siblings = [{"rfilename": path} for path in sorted(commit.files)]
    if "blobs" in handler.query:
        siblings = [commit.files[path].describe_sibling(path) for path in sorted(commit.files)]
    info = {"_id": repo, "id": repo, "modelId": repo, "sha": commit.oid, "private": found.private}
    handler.reply_json({**info, "gated": "manual" if found.gated else False, "tags": [], "siblings": siblings})


def _tree(handler: Handler, body: bytes, repo: str, revision: str) -> None:
    files = handler.repository(repo).find(revision).files
    start, size = int(handler.query.get("cursor", 0)), handler.hub.page_size
    entries = [files[path].describe(path) for path in sorted(files)]
    options = {}
    if start + size < len(entries):
        path = handler.path.partition("?")[0]
        options["Link"] = f'<{handler.hub.endpoint}{path}?recursive=True&cursor={start + size}>; rel="next"'
    handler.reply_json(entries[start : start + size], **options)


def _refs(handler: Handler, body: bytes, repo: str) -> None:
    listed: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
    kinds = {"heads": "branches", "tags": "tags", "pr": "pullRequests"}
    for ref, commit in handler.repository(repo).refs.items():
        _, kind, name = ref.split("/", 2)
        listed[kinds[kind]].append({"name": name, "ref": ref, "targetCommit": commit})
    handler.reply_json(listed)


def _create_repo(handler: Handler, body: bytes) -> None:
    user, wanted = handler.writer(), json.loads(body)
    owner = wanted.get("organization") or user
    repo_id = f"{owner}/{wanted['name']}"
    if owner != user:
        raise HubError(403, None, f"You don't have the rights to create a model under the namespace {owner!r}")
    answer = {"url": f"{handler.hub.endpoint}/{repo_id}", "name": repo_id, "id": repo_id}
    if repo_id in handler.hub.repositories:
        handler.reply_json({"error": "You already created this model repo", **answer}, status=409)
        return
    private = wanted.get("visibility") == "private"
    handler.hub.repositories[repo_id] = Repository(repo_id, private=private)
    handler.reply_json(answer)


def _preupload(handler: Handler, body: bytes, repo: str, revision: str) -> None:
    files = handler.writable(repo, revision).find(revision).files
    answers = []
    for entry in json.loads(body)["files"]:
        old = files.get(entry["path"])
        mode = "lfs" if wants_lfs(entry["path"], entry["size"]) else "regular"
        answer = {"path": entry["path"], "uploadMode": mode, "shouldIgnore": False}
        answers.append(answer | ({"oid": old.etag} if old else {}))
    handler.reply_json({"files": answers})


def _lfs_batch(handler: Handler, body: bytes, repo: str) -> None:
    handler.repository(repo)
    handler.writer()
    objects = []
    for entry in json.loads(body)["objects"]:
        upload = {"href": f"{handler.hub.address('storage')}/objects/{entry['oid']}?signature=secret"}
        verify = {"href": f"{handler.hub.endpoint}/{repo}.git/info/lfs/objects/verify"}
        is_known = entry["oid"] in handler.hub.objects
        objects.append(entry if is_known else {**entry, "actions": {"upload": upload, "verify": verify}})
    handler.reply_json({"transfer": "basic", "objects": objects})


def _lfs_verify(handler: Handler, body: bytes, repo: str) -> None:
    wanted = json.loads(body)
    stored = handler.hub.objects.get(wanted["oid"])
    if stored is None or len(stored) != wanted["size"]:
        raise HubError(404, None, "Object was not uploaded")
    handler.reply_json({})


def _commit(handler: Handler, body: bytes, repo: str, revision: str) -> None:
    found, creates_pr = handler.writable(repo, revision), "create_pr" in handler.query
    with handler.hub.lock:
        commit = found.apply(revision, body.splitlines(), handler.hub.objects, creates_pr)
    page = f"{handler.hub.endpoint}/{repo}"
    answer = {"success": True, "commitOid": commit.oid, "commitUrl": f"{page}/commit/{commit.oid}"}
    if creates_pr:
        answer["pullRequestUrl"] = f"{page}/discussions/{len(found.pull_requests)}"
    handler.reply_json(answer)


def _discuss(handler: Handler, body: bytes, repo: str) -> None:
    found, wanted = handler.repository(repo), json.loads(body)
    handler.writer()
    found.open_pull_request(wanted["title"], found.find("main"))
    handler.reply_json({"num": len(found.pull_requests), "pullRequest": True})


def _discussion(handler: Handler, body: bytes, repo: str, number: str) -> None:
    pull_request = handler.repository(repo).pull_requests[int(number) - 1]
    more = {"author": {"name": "me"}, "createdAt": "2026-01-01T00:00:00.000Z", "events": [], "filesWithConflicts": []}
    where = {"repo": {"name": repo, "type": "model"}, "changes": {"base": "refs/heads/main"}}
    handler.reply_json({**pull_request, **more, **where})


def _create_branch(handler: Handler, body: bytes, repo: str, revision: str) -> None:
    start = (json.loads(body) if body else {}).get("startingPoint", "main")
    handler.writable(repo).create_ref(f"refs/heads/{revision}", start)
    handler.reply_json({})


def _create_tag(handler: Handler, body: bytes, repo: str, revision: str) -> None:
    handler.writable(repo).create_ref(f"refs/tags/{json.loads(body)['tag']}", revision)
    handler.reply_json({})


def _who_am_i(handler: Handler, body: bytes) -> None:
    handler.reply_json({"type": "user", "name": handler.writer(), "orgs": [], "auth": {"type": "access_token"}})


def _validate_yaml(handler: Handler, body: bytes) -> None:
    handler.reply_json({"errors": [], "warnings": []})


def _object(handler: Handler, body: bytes, digest: str) -> None:
    """The storage is another origin: a token that arrives here has leaked."""
    if "Authorization" in handler.headers:
        raise HubError(400, None, "a token was sent to another origin")
    if handler.command == "PUT":
        if hashlib.sha256(body).hexdigest() != digest:
            raise HubError(400, None, "The content does not have the promised SHA-256")
        handler.hub.objects[digest] = body
        handler.reply(b"", headers={"ETag": f'"{digest}"'})
    elif digest in handler.hub.objects:
        handler.reply(handler.hub.objects[digest], headers={"ETag": '"of-the-storage"'})
    else:
        raise HubError(404, None, "no such object")


_REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
_REVISION = r"(?P<revision>[^/]+)"  # quoted: refs%2Fpr%2F1
_API = f"/api/(?:models|spaces)/{_REPO}"
_ROUTES: list[tuple[str, Callable[..., None]]] = [
    (rf"hub (?:GET|HEAD) /{_REPO}/resolve/{_REVISION}/(?P<path>.+)", _resolve),
    (rf"hub GET {_API}(?:/revision/{_REVISION})?", _model_info),
    (rf"hub GET {_API}/tree/{_REVISION}", _tree),
    (rf"hub GET {_API}/refs", _refs),
    (rf"hub POST {_API}/preupload/{_REVISION}", _preupload),
    (rf"hub POST {_API}/commit/{_REVISION}", _commit),
    (rf"hub POST {_API}/branch/{_REVISION}", _create_branch),
    (rf"hub POST {_API}/tag/{_REVISION}", _create_tag),
    (rf"hub POST {_API}/discussions", _discuss),
    (rf"hub GET {_API}/discussions/(?P<number>\d+)", _discussion),
    (rf"hub POST /{_REPO}\.git/info/lfs/objects/batch", _lfs_batch),
    (rf"hub POST /{_REPO}\.git/info/lfs/objects/verify", _lfs_verify),
    (r"hub POST /api/repos/create", _create_repo),
    (r"hub GET /api/whoami-v2", _who_am_i),
    (r"hub POST /api/validate-yaml", _validate_yaml),
    (r"storage (?:GET|HEAD|PUT) /objects/(?P<digest>[0-9a-f]{64})", _object),
]
