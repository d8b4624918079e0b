"""`keras-vit push`: to the local hub, from a name or a folder."""

import json

import pytest
from typer.testing import CliRunner

from keras_vit.cli.app import build_app


@pytest.fixture
def push(hub_server, monkeypatch):
    """Runs `keras-vit push` with the token of "me"."""
    monkeypatch.setenv("HF_TOKEN", "hf_me")

    def run(*arguments):
        command = ["push", *map(str, arguments), "--endpoint", hub_server.endpoint]
        return CliRunner().invoke(build_app(), command, catch_exceptions=False)

    return run


def test_push_publishes_a_model_with_its_card(hub_server, push, tiny_preset):
    result = push(tiny_preset, "me/tiny", "--message", "First", "--private")

    assert result.exit_code == 0, result.output
    repository = hub_server.repositories["me/tiny"]
    assert result.stdout.startswith(
        f"published: {hub_server.endpoint}/me/tiny/commit/{repository.refs['refs/heads/main']}"
    )
    assert repository.private
    assert [commit.title for commit in repository.commits.values()][1:] == ["First"]
    files = hub_server.files("me/tiny")
    assert "model.weights.h5" in files
    assert b"library_name: keras\n" in files["README.md"]
    assert "certificate" in json.loads(files["config.json"])["keras_vit"]


def test_push_can_leave_out_keras_files(hub_server, push, tiny_preset):
    assert push(tiny_preset, "me/tiny", "--no-keras-files").exit_code == 0
    assert "model.weights.h5" not in hub_server.files("me/tiny")


def test_push_to_a_branch_or_as_a_proposal(hub_server, push, tiny_preset):
    hub_server.add("me/tiny", {"README.md": b"old"})
    assert push(tiny_preset, "me/tiny", "--revision", "v2").exit_code == 0
    proposed = push(tiny_preset, "me/tiny", "--pr")
    assert proposed.stdout.startswith(f"published: {hub_server.endpoint}/me/tiny/discussions/1")
    assert hub_server.files("me/tiny") == {"README.md": b"old"}
    assert "model.safetensors" in hub_server.files("me/tiny", "v2")


def test_a_dry_run_can_be_edited_and_pushed_as_it_is(hub_server, push, tiny_preset, tmp_path):
    dry = push(tiny_preset, "me/tiny", "--dry-run", tmp_path / "look")
    assert dry.stdout == f"written, not published: {tmp_path / 'look'}\n"
    assert hub_server.requests == []
    with (tmp_path / "look" / "README.md").open("a") as card:
        card.write("\nWritten by hand.\n")

    assert push(tmp_path / "look", "me/tiny", "--as-is").exit_code == 0

    assert hub_server.files("me/tiny")["README.md"].endswith(b"\nWritten by hand.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("PRESET", "tiny"), 'needs a repository "owner/name"'),
        (("PRESET", "you/tiny"), "no permission to write there"),
        (("PRESET", "me/tiny", "--license", "gpl-9"), "license needs to be a name that the Hub knows"),
        (("PRESET", "me/tiny", "--as-is", "--dry-run", "x"), "--as-is needs no --dry-run"),
        (("no_such_preset", "me/tiny"), "no_such_preset"),
    ],
)
def test_mistakes_are_one_message(push, tiny_preset, arguments, words):
    result = push(*[tiny_preset if each == "PRESET" else each for each in arguments])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("keras-vit: ")
    assert words in result.stderr
    assert "hf_me" not in result.stderr


def test_the_folder_of_an_adapter_is_pushed_as_it_is(hub_server, push, tiny_preset, tmp_path):
    from keras_vit import from_preset

    model = from_preset(tiny_preset)
    model.enable_lora(1)
    folder = model.push_adapter("me/tiny", base="me/base", dry_run=tmp_path / "adapter")

    assert push(folder, "me/tiny").exit_code == 0

    assert hub_server.files("me/tiny") == {path.name: path.read_bytes() for path in folder.iterdir()}
