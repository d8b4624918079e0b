"""Whatever goes wrong on the way is one sentence that says what happened and what to do."""

import errno
import json
import shutil
from collections import namedtuple

import huggingface_hub
import pytest
from huggingface_hub import constants

from keras_vit.hub import download
from keras_vit.models import from_preset

MODEL = {"config.json": b"{}", "model.safetensors": b"weights"}


@pytest.fixture
def hub(hub_server):
    hub_server.add("me/model", MODEL)
    return hub_server


def check_nothing_broken(hub, tmp_path) -> None:
    """No half files, and the next load brings everything."""
    assert not list(tmp_path.rglob("*.incomplete"))
    hub.faults.clear()
    folder, _ = download("me/model")
    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_an_unknown_repository_suggests_names_of_the_catalogue(hub):
    with pytest.raises(FileNotFoundError) as caught:
        from_preset("timm/vit_base_patch16_224_augreg_in21k")
    assert str(caught.value).startswith(
        f"There is no repository timm/vit_base_patch16_224_augreg_in21k at {hub.endpoint}, or you may not see it. "
        "Did you mean timm/"
    )
    assert "timm/vit_base_patch16_224.augreg_in21k" in str(caught.value)
    with pytest.raises(
        FileNotFoundError, match=r"Did you mean a/b.x or a/b.y\? For a private one, log in with `hf auth"
    ):
        download("a/b", known_names=["a/b.y", "a/b.x", "c/d"])


@pytest.mark.parametrize("token", [None, "hf_other"])
def test_a_private_repository_says_how_to_log_in(hub_server, token):
    hub_server.add("me/secret", MODEL, private=True)
    with pytest.raises(
        FileNotFoundError, match="or you may not see it. For a private one, log in with `hf auth login`"
    ):
        download("me/secret", token=token)


@pytest.mark.parametrize("token", [None, "hf_other"])
def test_a_gated_repository_says_where_its_terms_are(hub_server, token):
    hub_server.add("me/gated", MODEL, gated=True)
    with pytest.raises(PermissionError) as caught:
        download("me/gated", token=token)
    assert str(caught.value) == (
        f"me/gated is for those who have accepted its terms: do so at {hub_server.endpoint}/me/gated, then log in with "
        "`hf auth login`, set HF_TOKEN or pass token=."
    )


def test_a_wrong_token_is_told_without_showing_it(hub):
    with pytest.raises(PermissionError, match="does not accept the token: it may be mistyped or expired") as caught:
        download("me/model", token="hf_wrong")
    assert "hf_wrong" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_token_that_is_required_but_missing_is_told(hub):
    with pytest.raises(PermissionError, match="token=True needs a token on this machine; there is none. Log in with"):
        download("me/model", token=True)


def test_an_unknown_revision_lists_those_that_exist(hub):
    hub.repositories["me/model"].create_ref("refs/tags/v1", "main")
    with pytest.raises(FileNotFoundError, match=r"me/model has no revision 'v2'. Its branches and tags: main, v1."):
        download("me/model", "v2")
    with pytest.raises(FileNotFoundError, match="has no revision '0000000"):
        download("me/model", "0" * 40)


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (400, OSError, "refused me/model with status 400"),
        (401, PermissionError, "does not accept the token"),
        (403, PermissionError, "The token may not read me/model"),
        (404, OSError, "refused me/model with status 404"),
        (409, OSError, "refused me/model with status 409"),
        (416, OSError, "refused me/model with status 416"),
        (429, ConnectionError, "has had too many requests from here. Wait some minutes, or log in"),
        (500, ConnectionError, "failed with status 500. Try again later"),
        (503, ConnectionError, "failed with status 503. Try again later"),
    ],
)
@pytest.mark.parametrize("request_line", ["GET /api/models", "HEAD /me", "GET /objects"])
def test_every_status_is_one_clear_error(hub, tmp_path, no_waiting, request_line, status, kind, message):
    hub.fail(request_line, status=status, times=100)
    with pytest.raises(kind) as caught:
        download("me/model", token="hf_me")
    found = str(caught.value)
    if status == 401 and request_line != "GET /objects":  # the client takes 401 without a reason for "not found"
        assert "or you may not see it" in found or message in found
    else:
        assert message in found
    assert "hf_me" not in found
    assert "signature" not in found
    check_nothing_broken(hub, tmp_path)


def test_a_disabled_repository_is_told(hub):
    hub.fail("GET /api/models", status=403, headers={"X-Error-Message": "Access to this resource is disabled."})
    with pytest.raises(PermissionError, match="me/model has been closed"):
        download("me/model")


@pytest.mark.parametrize("request_line", ["GET /api/models", "HEAD /me", "GET /me", "GET /objects"])
@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "4"}}, {"hang_up": True}]
)
def test_what_passes_is_waited_for(hub, no_waiting, request_line, fault):
    hub.fail(request_line, **fault)
    folder, _ = download("me/model")
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    asked = float(fault.get("headers", {}).get("Retry-After", 0))
    assert all(asked <= wait <= 10 for wait in no_waiting)


def test_a_wait_of_an_hour_is_reported_instead(hub, no_waiting):
    hub.fail("GET /api/models", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(ConnectionError, match="too many requests"):
        download("me/model")
    assert no_waiting == []


def test_an_endpoint_where_nobody_listens_is_told(hub, no_waiting):
    with pytest.raises(
        ConnectionError, match=r"http://127.0.0.1:9 cannot be reached \(.*refused.*\). Check the network"
    ):
        download("me/model", endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize("request_line", ["GET /api/models", "HEAD /me", "GET /objects"])
def test_silence_is_a_timeout(hub, tmp_path, no_waiting, monkeypatch, request_line):
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.setattr(constants, name, 0.1)
    monkeypatch.setattr("huggingface_hub.file_download._ETAG_RETRY_TIMEOUT", 0.1)
    hub.fail(request_line, wait=1.0, times=100)
    with pytest.raises(TimeoutError, match="did not answer in time. Try again later"):
        download("me/model")
    check_nothing_broken(hub, tmp_path)


@pytest.mark.parametrize("fault", [{"cut": 3}, {"body": lambda content: content[:3]}])
def test_a_transfer_that_always_breaks_off_is_told(hub, tmp_path, no_waiting, fault):
    hub.fail("GET /objects", times=100, **fault)
    with pytest.raises(ConnectionError, match=r"arrived in part only|cannot be reached"):
        download("me/model")
    check_nothing_broken(hub, tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        {"headers": {"ETag": None, "X-Linked-Etag": None}},
        {"headers": {"X-Repo-Commit": None}},
    ],
)
def test_a_server_without_versions_is_told(hub, no_waiting, fault):
    hub.fail("HEAD /me", times=100, **fault)
    with pytest.raises(OSError, match=r"What answers at .* is no Hub. Check endpoint=, HF_ENDPOINT and the proxy."):
        download("me/model")


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"[]", b"{}", json.dumps({"sha": None}).encode()])
def test_a_page_instead_of_the_hub_is_told(hub, page):
    hub.fail("GET /api/models", body=lambda _: page)
    with pytest.raises(OSError, match=r"is no Hub|Is it a Hub\?"):
        download("me/model")


def test_a_disk_without_room_is_told_before_the_download(hub, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(OSError, match=r"me/model needs 0.0 MB in the cache .*, which has 0.0 MB left.") as caught:
        download("me/model")
    assert caught.value.errno == errno.ENOSPC
    assert not hub.log("resolve")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "The disk is full: config.json of me/model does not fit into the cache"),
        (errno.EDQUOT, "The disk is full"),
        (errno.EROFS, "cannot be written there .Read-only file system.. Choose another place with cache_dir="),
        (errno.EACCES, "cannot be written there .Permission denied."),
    ],
)
def test_a_place_that_takes_no_files_is_told(hub, monkeypatch, code, message):
    def fail(*args: object, **options: object) -> None:
        raise OSError(code, "system's words", "/some/path")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(OSError, match=message) as caught:
        download("me/model")
    assert caught.value.errno == code


def test_ctrl_c_leaves_nothing_half_done(hub, tmp_path, monkeypatch):
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("huggingface_hub.file_download._chmod_and_move", interrupt)
    with pytest.raises(KeyboardInterrupt):
        download("me/model")
    assert not list(tmp_path.rglob("*.incomplete"))
