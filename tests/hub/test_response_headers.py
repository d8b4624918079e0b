"""Headers that become paths: hashes pass in every spelling, everything else is refused before it is used."""

from types import SimpleNamespace

import pytest
from huggingface_hub import get_session

from keras_vit.hub import response_headers

HASH = "0123456789abcdef" * 4


def answer(headers, method="HEAD", agent="keras_vit; hf_hub/2.4.0"):
    request = SimpleNamespace(method=method, headers={"User-Agent": agent}, url=SimpleNamespace(host="hub"))
    return SimpleNamespace(request=request, headers=headers)


@pytest.mark.parametrize("etag", [HASH, f'"{HASH}"', f'W/"{HASH[:40]}"', f'"{HASH}-gzip"', '"d41d8-12"', '"a+b="'])
def test_hashes_pass(etag):
    response_headers._check(answer({"ETag": etag, "X-Linked-Etag": etag, "X-Repo-Commit": HASH[:40]}))


@pytest.mark.parametrize("value", ["../x", '"/x"', "a/b", "a\\b", "..", '".."', ".", "", '""', "C:x", "a\x00", "W//x"])
@pytest.mark.parametrize("name", ["ETag", "X-Linked-Etag", "X-Xet-Hash", "X-Repo-Commit"])
def test_paths_are_refused(name, value):
    with pytest.raises(OSError, match=f"The answer of hub is refused: its header {name} needs a hash"):
        response_headers._check(answer({name: value}))


def test_other_answers_may_have_any_etag():
    response_headers._check(answer({"ETag": "a/b"}, method="GET"))
    response_headers._check(answer({"ETag": "a/b"}, agent="transformers; hf_hub/2.4.0"))


def test_answers_are_watched_once():
    for _ in range(2):
        response_headers.watch_answers()
    assert get_session().event_hooks["response"].count(response_headers._check) == 1
