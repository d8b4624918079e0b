"""Errors of an upload: which are tried again, and how the others are told."""

import contextlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from keras_vit.hub.client_errors import (
    ODD_TOKEN,
    TEMPORARY,
    asked_wait,
    is_network_error,
    status_of,
    without_tokens,
)

_DELAYS = (1.0, 2.0, 4.0, 8.0)  # seconds between tries
_LONGEST_WAIT = 120.0  # seconds; a Hub that asks for more is reported
_REFUSED = frozenset({429, 503})  # certainly not carried out

_REASONS: dict[int, tuple[type[OSError], str]] = {
    401: (
        PermissionError,
        "the Hub got no token that it knows. Make one with write permission at {endpoint}/settings/tokens, then run "
        "`hf auth login`, set HF_TOKEN or pass token=. Nothing was changed.",
    ),
    403: (
        PermissionError,
        "the token has no permission to write there. Use one with write permission, of an account that owns the "
        "repository or belongs to its owner, or propose the change with create_pr=True. Nothing was changed.",
    ),
    404: (
        FileNotFoundError,
        "the Hub has no such repository or branch, or the token may not see it. Check the name. Nothing was changed.",
    ),
    412: (
        OSError,
        "somebody else changed the repository in the meantime. Nothing was changed. Look at what is there now, and "
        "push again to replace it.",
    ),
    429: (OSError, "the Hub has had too many requests from here. Wait some minutes and push again."),
}

_Result = TypeVar("_Result")


def retry(call: Callable[[], _Result], *, is_repeatable: bool = True) -> _Result:
    """Calls, and again after a while where the Hub is busy or the line broke; for requests that the client tries once.

    Args:
        call: Sends the request.
        is_repeatable: False where a request whose answer got lost must not be sent twice.
    """
    for delay in _DELAYS:
        try:
            return call()
        except Exception as error:  # network errors of the client's HTTP library are no OSErrors
            wait = asked_wait(error) or delay
            if not _is_temporary(error, is_repeatable) or wait > _LONGEST_WAIT:
                raise
            sys.stderr.write(f"The Hub does not take the upload yet ({_summary(error)}); next try in {wait:g} s.\n")
        time.sleep(wait)
    return call()


@contextlib.contextmanager
def clear_errors(repo_id: str, endpoint: str) -> Iterator[None]:
    """Turns what the client and its libraries raise into one sentence, without tokens."""
    try:
        yield
    except Exception as error:
        clear = _explain(error, endpoint)
        if clear is None:
            raise
        kind, reason = clear
        # From None: the original may hold the request's headers, and with them the token.
        raise kind(f"{repo_id} was not published: {reason}") from None


def _explain(error: Exception, endpoint: str) -> tuple[type[OSError], str] | None:
    """Returns the kind of error and the words for it; None where the error speaks for itself."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    error, status = _cause(error), status_of(_cause(error))
    if isinstance(error, OfflineModeIsEnabled):
        return ConnectionError, "HF_HUB_OFFLINE=1 forbids it. Unset it and push again."
    if isinstance(error, UnicodeEncodeError):  # holds the header that it could not send
        return PermissionError, f"the {ODD_TOKEN}"
    if status in _REASONS:
        kind, reason = _REASONS[status]
        return kind, reason.format(endpoint=endpoint)
    if status is not None and status < 500:
        return OSError, f"the Hub refused it ({_summary(error)}). Nothing was changed."
    if status is not None:
        return ConnectionError, f"the Hub failed ({_summary(error)}). Push again later; what has arrived is kept."
    if isinstance(error, json.JSONDecodeError | KeyError):
        return ConnectionError, f"what answers at {endpoint} is no Hub. Check endpoint= and HF_ENDPOINT."
    if is_network_error(error):
        return ConnectionError, (
            f"{endpoint} cannot be reached ({_summary(error)}). Check the network and push again; what has arrived is "
            "kept."
        )
    return None


def _is_temporary(error: Exception, is_repeatable: bool) -> bool:
    if error is not _cause(error) or re.search(r"/preupload/|/info/lfs/", _path(error)):
        return False  # the client has tried these several times
    status = status_of(_cause(error))
    if status is None:
        return is_repeatable and (isinstance(error, json.JSONDecodeError) or is_network_error(error))
    return status in (TEMPORARY if is_repeatable else _REFUSED)


def _cause(error: Exception) -> Exception:
    """The client wraps what goes wrong with a large file into a RuntimeError."""
    inner = error.__cause__
    return inner if isinstance(error, RuntimeError) and isinstance(inner, Exception) else error


def _path(error: Exception) -> str:
    try:
        return str(error.request.url.path)  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # no HTTP error, or one without its request
        return ""


def _summary(error: Exception) -> str:
    """Status and words in one line, without what could be a token."""
    status = status_of(_cause(error))
    words = getattr(error, "server_message", None) or ("" if status else str(error)) or type(error).__name__
    line = without_tokens(words, _cause(error))
    return f"{status}: {line}" if status else line
