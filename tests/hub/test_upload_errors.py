"""What goes wrong in an upload: tried again where that can help, else one sentence, and never a token."""

import json
import socket
import traceback
import types

import pytest

from keras_vit import hub
from tests.hub.presets import content, write_preset

COMMIT = r"POST .*/commit/"
CREATE = r"POST /api/repos/create"
BEFORE = {"README.md": b"old"}
ME, OTHER, UNKNOWN = TOKENS = [f"hf_{name}" for name in ("me", "other", "unknown")]  # not in source lines of tracebacks


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The seconds that would have been waited."""
    seconds = []
    monkeypatch.setattr("keras_vit.hub.upload_errors.time", types.SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "my_vit")


@pytest.fixture
def upload(hub_server, preset):
    hub_server.add("me/vit", BEFORE)

    def run(**options):
        return hub.upload_preset("me/vit", preset, **{"token": ME, "endpoint": hub_server.endpoint, **options})

    return run


def error_of(upload, kind, **options):
    """The sentence of the error; the whole traceback holds no token."""
    with pytest.raises(kind) as caught:
        upload(**options)
    shown = "".join(traceback.format_exception(caught.value))
    assert not [token for token in TOKENS if token in shown]
    assert str(caught.value).startswith("me/vit was not published: ")
    return str(caught.value)


@pytest.mark.parametrize("request_", [CREATE, COMMIT, r"GET /api/models/me/vit", r"POST /api/validate-yaml"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again(hub_server, upload, preset, waits, request_, status, capsys):
    hub_server.fail(request_, status=status, times=2)

    upload()

    assert hub_server.files("me/vit") == content(preset)
    assert waits == [1, 2]
    assert (
        f"The Hub does not take the upload yet ({status}: injected fault); next try in 1 s." in capsys.readouterr().err
    )


def test_the_hub_says_how_long_to_wait(hub_server, upload, waits):
    hub_server.fail(COMMIT, status=429, headers={"Retry-After": "37"})
    upload()
    assert waits == [37]


def test_a_wait_of_hours_is_an_error(hub_server, upload, waits):
    hub_server.fail(COMMIT, status=429, headers={"Retry-After": "7200"})
    assert "too many requests" in error_of(upload, OSError)
    assert waits == []
    assert hub_server.files("me/vit") == BEFORE


def test_a_hub_that_stays_broken_is_an_error(hub_server, upload, waits):
    hub_server.fail(COMMIT, status=502, times=99)
    assert "the Hub failed (502" in error_of(upload, ConnectionError)
    assert waits == [1, 2, 4, 8]
    assert hub_server.files("me/vit") == BEFORE


def test_a_commit_that_is_hung_up_on_is_sent_again(hub_server, upload, preset, waits):
    hub_server.fail(COMMIT, hang_up=True)
    upload()
    assert hub_server.files("me/vit") == content(preset)
    assert waits == [1]


def test_a_commit_whose_answer_got_lost_is_made_once(hub_server, upload, preset):
    hub_server.repositories["me/vit"].commit({"metadata.json": b"{}"})  # is deleted by the commit
    before = len(hub_server.repositories["me/vit"].commits)
    hub_server.fail(COMMIT, cut=0)

    done = upload()

    assert hub_server.files("me/vit") == content(preset)
    assert len(hub_server.repositories["me/vit"].commits) == before + 1
    assert done.commit == hub_server.repositories["me/vit"].refs["refs/heads/main"]


def test_a_pull_request_whose_answer_got_lost_is_opened_once(hub_server, upload):
    hub_server.fail(COMMIT, cut=0)
    assert "cannot be reached" in error_of(upload, ConnectionError, create_pr=True)
    assert len(hub_server.repositories["me/vit"].pull_requests) == 1


def test_a_pull_request_that_was_refused_is_sent_again(hub_server, upload, waits):
    hub_server.fail(COMMIT, status=503)
    upload(create_pr=True)
    assert len(hub_server.repositories["me/vit"].pull_requests) == 1


def test_an_unknown_token_is_named_as_the_reason(hub_server, upload, waits):
    message = error_of(upload, PermissionError, token=UNKNOWN)
    assert "no token that it knows" in message
    assert f"{hub_server.endpoint}/settings/tokens" in message
    assert "hf auth login" in message
    assert waits == []


def test_no_token_is_named_as_the_reason(upload):
    assert "no token that it knows" in error_of(upload, PermissionError, token=False)


def test_the_repository_of_somebody_else_needs_a_pull_request(hub_server, upload):
    assert "create_pr=True" in error_of(upload, PermissionError, token=OTHER)
    assert hub_server.files("me/vit") == BEFORE


def test_the_place_of_somebody_else_gets_no_new_repository(hub_server, preset):
    with pytest.raises(PermissionError, match="you/vit was not published: the token has no permission"):
        hub.upload_preset("you/vit", preset, token=ME, endpoint=hub_server.endpoint)


def test_a_commit_of_somebody_else_in_the_meantime_is_not_overwritten(hub_server, upload):
    def commit_meanwhile(answer):
        hub_server.repositories["me/vit"].commit({"README.md": b"theirs"})
        return answer

    hub_server.fail(r"GET /api/models/me/vit", body=commit_meanwhile)

    assert "somebody else changed the repository" in error_of(upload, OSError)
    assert hub_server.files("me/vit") == {"README.md": b"theirs"}


@pytest.mark.parametrize(
    ("status", "words"), [(400, "refused it (400"), (402, "refused it (402"), (404, "no such repository")]
)
def test_a_refusal_is_final(hub_server, upload, waits, status, words):
    hub_server.fail(COMMIT, status=status)
    message = error_of(upload, OSError)
    assert words in message
    assert message.endswith("Nothing was changed.")
    assert waits == []
    assert hub_server.files("me/vit") == BEFORE


def test_a_large_file_that_is_refused_is_one_clear_error(hub_server, upload):
    hub_server.fail("PUT /objects/", status=403, times=99)
    assert "no permission" in error_of(upload, PermissionError)
    assert hub_server.files("me/vit") == BEFORE


def test_what_the_hub_says_is_told_without_the_token_that_it_repeats(hub_server, upload):
    answer = json.dumps({"error": f"Bearer {ME} is not welcome, {ME}."}).encode()
    hub_server.fail(COMMIT, status=418, headers={"X-Error-Message": None}, body=lambda _: answer)
    assert "*** is not welcome, ***." in error_of(upload, OSError)


def test_a_card_that_the_hub_does_not_take_is_told_in_its_words(hub_server, upload):
    answer = json.dumps({"errors": [{"message": '"license" must be one of'}], "warnings": []}).encode()
    hub_server.fail("validate-yaml", status=400, body=lambda _: answer)
    with pytest.raises(ValueError, match='"license" must be one of'):
        upload()
    assert hub_server.files("me/vit") == BEFORE


def test_an_address_where_nobody_answers(upload, waits):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # not listening
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        message = error_of(upload, ConnectionError, endpoint=endpoint)
    assert f"{endpoint} cannot be reached" in message
    assert waits == [1, 2, 4, 8]


def test_an_address_where_something_else_answers(hub_server, upload):
    hub_server.fail(CREATE, times=99, body=lambda _: b"<html>Please log in to this network</html>")
    assert "is no Hub" in error_of(upload, ConnectionError)


def test_offline_mode_is_named_as_the_reason(upload, monkeypatch, waits):
    from huggingface_hub import errors

    def refuse(*args, **kwargs):
        raise errors.OfflineModeIsEnabled("Cannot reach the Hub: offline mode is enabled.")

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", refuse)
    assert "HF_HUB_OFFLINE=1 forbids it" in error_of(upload, ConnectionError)
    assert waits == []
