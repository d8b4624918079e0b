"""Errors of the Hub's client, read alike for downloads and uploads: status, wish to wait, words without tokens."""

import re

TEMPORARY = frozenset({408, 429, 500, 502, 503, 504})  # answers of a Hub that is busy

ODD_TOKEN = "token needs to be one word of ASCII characters; check for spaces and line ends around it."

_MAX_WORDS = 200  # characters that a message repeats


def status_of(error: Exception) -> int | None:
    """Returns the status of the Hub's answer; None where none arrived."""
    return getattr(getattr(error, "response", None), "status_code", None)


def asked_wait(error: Exception) -> float | None:
    """Returns the seconds that the Hub asks to wait; a date, which it may send too, is not read."""
    asked = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return float(asked) if re.fullmatch(r"\d{1,6}", asked) else None


def is_network_error(error: Exception) -> bool:
    """Tells whether the line broke; the client's HTTP library has errors of its own, which are no OSErrors."""
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled

    is_network = isinstance(error, HTTPError | ConnectionError | TimeoutError)
    return is_network and not isinstance(error, OfflineModeIsEnabled)


def without_tokens(words: object, error: Exception) -> str:
    """Returns words about an error in one line, without the token of its request and what else could be one."""
    line = " ".join(str(words).split())
    if token := _token_of(error):
        line = line.replace(token, "***")
    return re.sub(r"(?i)\bbearer\s+\S+|\bhf_\w+", "***", line)[:_MAX_WORDS]


def _token_of(error: Exception) -> str | None:
    request = getattr(getattr(error, "response", None), "request", None)
    return getattr(request, "headers", {}).get("Authorization", "").removeprefix("Bearer ") or None
