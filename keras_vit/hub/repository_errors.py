"""Errors of a download: which are tried again, and how the others are told."""

import contextlib
import difflib
import errno
import json
import os
import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeVar

from keras_vit.hub.client_errors import (
    ODD_TOKEN,
    TEMPORARY,
    asked_wait,
    is_network_error,
    status_of,
    without_tokens,
)

if TYPE_CHECKING:
    from keras_vit.hub.repository import Repository

_LONGEST_WAIT = 60.0  # seconds; a Hub that asks for more is reported
_NUM_NAMES = 5
_LOG_IN = "log in with `hf auth login`, set HF_TOKEN or pass token="

_Result = TypeVar("_Result")


def retry(call: Callable[[], _Result], *, delays: tuple[float, ...]) -> _Result:
    """Calls, and again after a while where the Hub is busy or the line broke.

    Args:
        call: Sends the request.
        delays: Seconds to wait between tries, where the Hub names none.
    """
    for delay in delays:
        try:
            return call()
        except Exception as error:  # network errors of the client's HTTP library are no OSErrors
            wait = asked_wait(error) or delay
            if not _is_temporary(error) or wait > _LONGEST_WAIT:
                raise
        time.sleep(wait)
    return call()


@contextlib.contextmanager
def clear_errors(repository: "Repository", name: str | None = None) -> Iterator[None]:
    """Turns what the client and its libraries raise into one sentence, without tokens.

    Args:
        repository: What is asked for.
        name: File that is asked for, if it is one.
    """
    try:
        yield
    except Exception as error:
        clear = _explain_answer(error, repository, name) or _explain_failure(error, repository, name)
        if clear is None:
            raise
        # From None: the original may hold the request's headers, and with them the token.
        raise clear from None


def _explain_answer(error: Exception, repository: "Repository", name: str | None) -> OSError | None:
    """Says what the Hub's refusal means."""
    from huggingface_hub import errors

    error = _cause(error)
    repo_id, address, status = repository.repo_id, repository.address, status_of(error)
    if isinstance(error, errors.GatedRepoError):
        return PermissionError(
            f"{repo_id} is for those who have accepted its terms: do so at {address}/{repo_id}, then {_LOG_IN}."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        hint = _suggest(repo_id, repository.known_names)
        return FileNotFoundError(
            f"There is no repository {repo_id} at {address}, or you may not see it.{hint} For a private one, {_LOG_IN}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        names = repository.revisions()
        hint = f" Its branches and tags: {_shortened(names)}." if names else ""
        return FileNotFoundError(f"{repo_id} has no revision {repository.revision!r}.{hint}")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return FileNotFoundError(f"{repo_id} has no {name} at this revision.")
    if isinstance(error, errors.DisabledRepoError):
        return PermissionError(f"{repo_id} has been closed at {address}. Use another model.")
    if isinstance(error, errors.LocalTokenNotFoundError):
        return PermissionError(f"token=True needs a token on this machine; there is none. {_LOG_IN.capitalize()}.")
    if status == 401:
        return PermissionError(
            f"{address} does not accept the token: it may be mistyped or expired. Make another at "
            f"{address}/settings/tokens and {_LOG_IN}; token=False goes without, for what is public."
        )
    if status == 403:
        return PermissionError(f"The token may not read {repo_id}. Give it that permission, or {_LOG_IN}.")
    if status == 429:
        return ConnectionError(f"{address} has had too many requests from here. Wait some minutes, or {_LOG_IN}.")
    if status is not None and status >= 500:
        return ConnectionError(f"{address} failed with status {status}. Try again later; what is complete is kept.")
    if status is not None:
        return OSError(f"{address} refused {repo_id} with status {status}.")
    return None


def _explain_failure(error: Exception, repository: "Repository", name: str | None) -> OSError | None:
    """Says what kept an answer away, or what of it could not be used."""
    from huggingface_hub import errors

    error, address = _cause(error), repository.address
    what = f"{name} of {repository.repo_id}" if name else repository.repo_id
    if isinstance(error, errors.OfflineModeIsEnabled):
        return ConnectionError("HF_HUB_OFFLINE=1 forbids to ask the Hub. Unset it.")
    if isinstance(error, UnicodeEncodeError):  # holds the header that it could not send
        return PermissionError(ODD_TOKEN.capitalize())
    if isinstance(error, errors.FileMetadataError | json.JSONDecodeError | KeyError | TypeError):
        return OSError(f"What answers at {address} is no Hub. Check endpoint=, HF_ENDPOINT and the proxy.")
    if _is_cut_short(error):
        return ConnectionError(f"{what} arrived in part only. Load again; what is complete is kept.")
    if _is_timeout(error):
        return TimeoutError(f"{address} did not answer in time. Try again later; what is complete is kept.")
    if is_network_error(error):
        why = without_tokens(str(error) or type(error).__name__, error)
        return ConnectionError(f"{address} cannot be reached ({why}). Check the network; what is complete is kept.")
    code = error.errno if isinstance(error, OSError) else None
    cache = repository.storage.parent
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OSError(
            code,
            f"The disk is full: {what} does not fit into the cache {cache}. Make room or choose another place with "
            "cache_dir= or HF_HOME.",
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PermissionError(
            code,
            f"{what} is not in the cache {cache}, and cannot be written there ({os.strerror(code)}). Choose another "
            "place with cache_dir= or HF_HOME.",
        )
    return None


def _is_temporary(error: Exception) -> bool:
    status = status_of(error)
    if status is not None:
        return status in TEMPORARY
    # Who has waited for an answer in vain has waited long enough.
    return _is_cut_short(error) or (is_network_error(error) and not _is_timeout(error))


def _cause(error: Exception) -> Exception:
    """The client wraps what went wrong into "not in the cache"."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    inner = error.__cause__
    return inner if isinstance(error, LocalEntryNotFoundError) and isinstance(inner, Exception) else error


def _is_timeout(error: Exception) -> bool:
    # By name: which HTTP library the client uses depends on its version.
    return isinstance(error, TimeoutError) or any(kind.__name__ == "TimeoutException" for kind in type(error).__mro__)


def _is_cut_short(error: Exception) -> bool:
    return isinstance(error, OSError) and "Consistency check failed" in str(error)


def _suggest(repo_id: str, known_names: Collection[str]) -> str:
    close = sorted(name for name in known_names if name.startswith(f"{repo_id}."))
    close = close or difflib.get_close_matches(repo_id, known_names, n=3)
    return f" Did you mean {' or '.join(close[:3])}?" if close else ""


def _shortened(names: list[str]) -> str:
    more = len(names) - _NUM_NAMES
    return ", ".join(names[:_NUM_NAMES]) + (f" and {more} more" if more > 0 else "")
