"""Names that lead nowhere else, and answers that are believed only where they are well formed."""

import json

import pytest

from keras_vit.hub import download
from keras_vit.hub.repository import Repository

MODEL = {"config.json": b"{}", "model.safetensors": b"weights"}


@pytest.mark.parametrize(
    "repo_id",
    ["model", "a/b/c", "../../etc/passwd", "me/..", "me/a..b", "me/a--b", "/model", "me/", "me/mödel", "m/" * 60],
)
def test_repositories_need_owner_and_name(hub_server, repo_id):
    with pytest.raises(ValueError, match="needs the form owner/name"):
        download(repo_id)
    assert hub_server.log() == []


@pytest.mark.parametrize(
    "revision",
    [
        *("", "..", "../../../../X", "a/../b", "/main", "a//b", "-main", ".hidden", "a/.b", "main.lock", "main/"),
        *("a b", "a\nb", "a\x00b", "a:b", "a~1", "a^", "a*", "a?", "a[b", "a\\..\\b", "@{1}", "x" * 256),
    ],
)
def test_revisions_that_git_does_not_allow_are_refused_before_any_request(hub_server, tmp_path, revision):
    hub_server.add("me/model", MODEL)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="A revision needs to be the name of a branch or tag, or a commit"):
        download("me/model", revision)
    assert hub_server.log() == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("endpoint", ["localhost:8000", "ftp://hub", "file:///etc", "", "https://", "https://me:x@hub"])
def test_endpoints_need_to_be_addresses(endpoint):
    with pytest.raises(ValueError, match="An endpoint needs the form https://host"):
        download("me/model", endpoint=endpoint)


def test_the_token_is_not_shown():
    repository = Repository(
        repo_id="me/model", revision=None, token="hf_secret", cache_dir=None, endpoint=None, known_names=()
    )
    assert "hf_secret" not in repr(repository)


def test_a_commit_that_is_none_is_refused(hub_server, tmp_path):
    hub_server.add("me/model", MODEL)
    evil = json.dumps({"id": "me/model", "sha": "../../../evil", "siblings": []}).encode()
    hub_server.fail("GET /api/models/", body=lambda _: evil)
    with pytest.raises(OSError, match=r"named no commit of me/model; got '../../../evil'. Is it a Hub\?"):
        download("me/model")
    assert not list(tmp_path.rglob("*evil*"))


def test_files_that_nobody_asked_for_are_not_fetched_whatever_their_names(hub_server, tmp_path):
    hub_server.add("me/model", {**MODEL, "../../evil.json": b"{}"})
    download("me/model")
    assert not list(tmp_path.rglob("*evil*"))


def test_a_token_goes_to_the_hub_and_never_to_the_storage(hub_server):
    hub_server.add("me/model", MODEL, private=True)
    download("me/model", token="hf_me")
    tokens = {request.origin: request.headers.get("authorization") for request in hub_server.requests}
    assert tokens == {"hub": "Bearer hf_me", "storage": None}


@pytest.mark.parametrize("request_line", ["GET /api/models", "HEAD /me", "GET /me"])
def test_a_token_does_not_follow_to_another_origin(hub_server, no_waiting, request_line):
    hub_server.add("me/model", MODEL, private=True)
    elsewhere = {"Location": hub_server.address("storage") + "/elsewhere"}
    hub_server.fail(request_line, status=307, headers=elsewhere, times=100)
    with pytest.raises(OSError, match="me/model|is no Hub"):
        download("me/model", token="hf_me")
    assert not [
        request for request in hub_server.requests if request.origin == "storage" and "authorization" in request.headers
    ]


def test_a_token_is_written_and_said_nowhere(hub_server, tmp_path, capfd, caplog, no_waiting):
    caplog.set_level("DEBUG")
    hub_server.users["hf_verysecret"] = "me"
    hub_server.add("me/model", MODEL, private=True)
    hub_server.fail("GET /objects", status=503)
    download("me/model", token="hf_verysecret")
    hub_server.fail("", status=500, times=100)
    with pytest.raises(OSError, match="failed with status 500") as caught:
        download("me/model", "other", token="hf_verysecret")
    said = capfd.readouterr()
    assert "hf_verysecret" not in said.out + said.err + caplog.text + str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_verysecret" in path.read_bytes()]


def test_token_false_sends_none(hub_server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_me")
    hub_server.add("me/model", MODEL)
    download("me/model", token=False)
    assert not any("authorization" in request.headers for request in hub_server.requests)


def test_another_folder_of_the_cache_may_be_chosen(hub_server, tmp_path):
    hub_server.add("me/model", MODEL)
    folder, commit = download("me/model", cache_dir=tmp_path / "cache")
    assert folder == tmp_path / "cache" / "models--me--model" / "snapshots" / commit
