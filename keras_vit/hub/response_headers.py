"""Headers of the Hub's answers that the client makes paths of: checked before it writes anything."""

import re
from typing import Any

_NAME = re.compile(r'(?:W/)?"?(?!\.+"?$)[\w.+=-]{1,255}"?', re.ASCII)  # a hash, as it stands in a header
_BECOME_PATHS = {
    "ETag": _NAME,
    "X-Linked-Etag": _NAME,
    "X-Xet-Hash": _NAME,
    "X-Repo-Commit": re.compile(r"[0-9a-f]{40}"),
}
_OUR_AGENT = "keras_vit"  # what `library_name` puts into the header User-Agent


def watch_answers() -> None:
    """Makes the client refuse answers to our requests whose headers would lead out of the cache.

    The client stores a file under the hash that the server names, whatever that is: "../../x" was written outside.
    """
    from huggingface_hub import get_session

    hooks = get_session().event_hooks["response"]
    if _check not in hooks:
        hooks.append(_check)


def _check(response: Any) -> None:
    request = response.request
    # Of files only: that is what HEAD is used for, and other answers may have an ETag of any form.
    if request.method != "HEAD" or _OUR_AGENT not in request.headers.get("User-Agent", ""):
        return
    for name, form in _BECOME_PATHS.items():
        value = response.headers.get(name)
        if value is not None and not form.fullmatch(value):
            raise OSError(
                f"The answer of {request.url.host} is refused: its header {name} needs a hash; got {value!r}. Is it a "
                "Hub? Check endpoint= and HF_ENDPOINT."
            )
