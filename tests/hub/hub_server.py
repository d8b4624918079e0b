"""A small Hugging Face Hub for tests: serves the stock client on 127.0.0.1, logs requests and fails on demand."""

import contextlib
import dataclasses
import http.server
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.hub.hub_handler import Handler
from tests.hub.hub_repository import Repository


@dataclasses.dataclass
class Fault:
    """What goes wrong with requests that match.

    Args:
        pattern: Regular expression, searched in "METHOD /path?query".
        times: How many requests it meets.
        status: Answer with this status instead.
        headers: Headers to send besides; None leaves one out.
        body: Changes the content; its length may change too.
        cut: Hang up after so many bytes of the body; the length was promised in full.
        hang_up: Hang up without an answer.
        wait: Seconds to wait, before the answer or (with `cut`) before hanging up.
    """

    pattern: str
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    body: Callable[[bytes], bytes] = bytes
    cut: int | None = None
    hang_up: bool = False
    wait: float = 0.0


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that arrived; origin is "hub", or "storage" where large files lie; names of headers are lower case."""

    origin: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class HubServer:
    """A Hub with users, repositories and a storage of large files on another origin.

    `endpoint` is its address. `users` are the names by token: "hf_me" belongs to "me", "hf_other" to "other".
    `repositories` and `requests` may be looked at, and changed, at any time.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._servers = {origin: _start(self, origin) for origin in ("hub", "storage")}
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self.users = {"hf_me": "me", "hf_other": "other"}
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}  # large files by SHA-256
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.page_size = 1000

    @property
    def endpoint(self) -> str:
        return self.address("hub")

    def address(self, origin: str) -> str:
        return f"http://127.0.0.1:{self._servers[origin].server_port}"

    def add(self, repo_id: str, files: Mapping[str, bytes] | Path, **options: bool) -> str:
        """Adds a repository with files, or those of a folder; returns the commit. Options as in `Repository`."""
        if isinstance(files, Path):
            files = {path.name: path.read_bytes() for path in files.iterdir() if path.is_file()}
        self.repositories[repo_id] = Repository(repo_id, **options)
        return self.repositories[repo_id].commit(files)

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """Returns the content of a repository, without the .gitattributes that every one has."""
        files = self.repositories[repo_id].find(revision).files
        return {path: file.content for path, file in files.items() if path != ".gitattributes"}

    def fail(self, pattern: str, **fault: Any) -> None:
        """Lets the next requests that match go wrong; arguments as in `Fault`."""
        self.faults.append(Fault(pattern, **fault))

    def log(self, pattern: str = "", origin: str = "") -> list[str]:
        """Returns the requests that match, as "METHOD /path?query"."""
        found = [str(request) for request in self.requests if request.origin.startswith(origin)]
        return [line for line in found if re.search(pattern, line)]

    def stop(self) -> None:
        """Hangs up and stops."""
        self.closing.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def register(self, *request: Any) -> Fault:
        """Logs a request, and returns what is to go wrong with it."""
        with self.lock:
            self.requests.append(Request(*request))
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, str(self.requests[-1])):
                    fault.times -= 1
                    return fault
        return Fault("")


@contextlib.contextmanager
def running_hub() -> Iterator[HubServer]:
    """Runs a Hub as long as the block lasts."""
    server = HubServer()
    try:
        yield server
    finally:
        server.stop()


class _QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the server."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _start(hub: HubServer, origin: str) -> http.server.ThreadingHTTPServer:
    handler = type("Handler", (Handler,), {"hub": hub, "origin": origin})
    server = _QuietServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
