"""Tokens: used, and never said or written: not in outputs, logs, warnings, errors, cards, caches or folders."""

import traceback

import pytest
from typer.testing import CliRunner

import keras_vit
from keras_vit import ViT, hub
from keras_vit.cli.app import build_app
from tests.hub.presets import write_preset
from tests.models.vit.configs import TINY

TOKEN = "hf_TopSecretOfTheOwner"
STRANGE = "SecretOfAnotherForm=="  # what a proxy or a hub of one's own may hand out


@pytest.fixture
def token(request, hub_server):
    """A token that the hub knows."""
    token = getattr(request, "param", TOKEN)
    hub_server.users[token] = "me"
    return token


@pytest.fixture
def watched(token, tmp_path, monkeypatch, capfd, caplog, recwarn, no_waiting):
    """Runs calls that may fail, with everything said and written watched; at the end, no word of it is the token."""
    caplog.set_level("DEBUG")
    caplog.set_level("INFO", "httpcore2")  # DEBUG tells whatever a server answers, its words about a token too
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    told = []

    def call(function, *arguments, **options):
        try:
            return function(*arguments, **options)
        except Exception as error:
            told.append("".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)))
            return error

    yield call
    said = capfd.readouterr()
    spoken = {
        "stdout": said.out,
        "stderr": said.err,
        "log": caplog.text + "".join(str(vars(record)) for record in caplog.records),
        "warnings": "".join(str(warning.message) for warning in recwarn),
        "errors": "".join(told),
        **{str(path): path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()},
    }
    assert [place for place, words in spoken.items() if token in words] == []


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "my_vit")


def test_publishing_and_loading(hub_server, watched, token, tmp_path):
    model = ViT(**TINY)
    place = {"token": token, "endpoint": hub_server.endpoint}
    folder = watched(model.push_to_hub, "me/vit", dry_run=tmp_path / "look", **place)
    done = watched(model.push_to_hub, "me/vit", private=True, **place)
    loaded = watched(keras_vit.from_preset, "me/vit", cache_dir=tmp_path / "cache", **place)
    again = watched(keras_vit.convert, "me/vit", tmp_path / "copy", cache_dir=tmp_path / "cache", **place)

    assert folder == tmp_path / "look"
    assert token not in str(done) + repr(done) + str(loaded.get_config()) + str(again.load_report)
    assert not [name for name, content in hub_server.files("me/vit").items() if token.encode() in content]
    assert "Bearer " + token in {request.headers.get("authorization") for request in hub_server.requests}


def test_the_command_line(hub_server, watched, token, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("KERAS_VIT_TRACEBACK", "1")
    folder, place = str(ViT(**TINY).save_to_preset(tmp_path / "mine")), ["--endpoint", hub_server.endpoint]
    commands = [
        ["push", folder, "me/vit", "--private", *place],
        ["push", folder, "me/vit", "--dry-run", str(tmp_path / "look")],
        ["push", folder, "other/vit", *place],  # forbidden
        ["push", folder, "me/vit", "--endpoint", "http://127.0.0.1:9"],
        ["card", folder, "--for", "me/vit"],
        ["card", str(tmp_path / "look"), "--check"],
        ["pull", "me/vit", str(tmp_path / "pulled"), *place],
        ["pull", "me/none", *place],
        ["pull", "me/vit", "--endpoint", "http://127.0.0.1:9", "--cache-dir", str(tmp_path / "empty")],
    ]
    for command in commands:
        result = watched(CliRunner().invoke, build_app(), command)
        assert token not in result.output + "".join(traceback.format_exception(result.exception))
    assert (tmp_path / "pulled" / "model.safetensors").is_file()


@pytest.mark.parametrize("token", [TOKEN, STRANGE], indirect=True)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500])
def test_refusals_that_repeat_the_token(hub_server, watched, preset, token, status, tmp_path):
    hub_server.add("me/vit", {"config.json": b"{}"})
    words = f"Bearer {token} is refused: {token}"
    body = f'{{"error": "{words}", "errors": [{{"message": "{words}"}}]}}'.encode()
    fault = {"status": status, "headers": {"X-Error-Message": words}, "body": lambda _: body, "times": 999}
    place = {"token": token, "endpoint": hub_server.endpoint}
    for pattern in ("POST .*/commit/", "POST /api/repos/create", ".*"):
        hub_server.fail(pattern, **fault)
        result = watched(hub.upload_preset, "me/vit", preset, **place)
    assert isinstance(result, OSError | ValueError)
    assert isinstance(watched(hub.download, "me/vit", cache_dir=tmp_path / "cache", **place), OSError)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "STORAGE"])
def test_a_wrong_endpoint(hub_server, watched, preset, token, endpoint):
    place = {"token": token, "endpoint": hub_server.address("storage") if endpoint == "STORAGE" else endpoint}
    assert isinstance(watched(hub.upload_preset, "me/vit", preset, **place), OSError)
    assert isinstance(watched(hub.download, "me/vit", **place), OSError)


@pytest.mark.parametrize("bad", ["{}\n", " {}", "{}\u00e9", "a {}"])
def test_a_token_with_a_slip_is_refused_unsaid(hub_server, watched, preset, token, bad, monkeypatch):
    place = {"token": bad.format(token), "endpoint": hub_server.endpoint}
    assert isinstance(watched(hub.upload_preset, "me/vit", preset, **place), ValueError)
    assert isinstance(watched(hub.download, "me/vit", **place), OSError)
    monkeypatch.setenv("HF_TOKEN", place.pop("token"))
    watched(hub.upload_preset, "me/vit", preset, **place)
    watched(hub.download, "me/none", **place)


@pytest.mark.parametrize(
    "request_line", ["POST /api/repos/create", "POST .*/preupload/", "POST .*/commit/", "POST .*lfs"]
)
def test_a_token_does_not_follow_an_upload_to_another_origin(hub_server, watched, preset, token, request_line):
    hub_server.add("me/vit", {})
    elsewhere = {"Location": hub_server.address("storage") + "/elsewhere"}
    hub_server.fail(request_line, status=307, headers=elsewhere, times=99)
    watched(hub.upload_preset, "me/vit", preset, token=token, endpoint=hub_server.endpoint)
    sent = [request for request in hub_server.requests if request.origin == "storage"]
    assert not [request for request in sent if token in str(request.headers) or token.encode() in request.body]


def test_large_files_go_up_and_down_without_the_token(hub_server, watched, preset, token):
    place = {"token": token, "endpoint": hub_server.endpoint}
    watched(hub.upload_preset, "me/vit", preset, **place)
    watched(hub.download, "me/vit", **place)
    sent = [request for request in hub_server.requests if request.origin == "storage"]
    assert {request.method for request in sent} == {"GET", "PUT"}
    assert not [request for request in sent if token in str(request.headers)]
