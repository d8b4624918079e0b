"""Uploads to the local hub with the stock client: one commit of our own files, or nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from keras_vit import hub
from tests.hub.presets import content, write_preset

COMMITS = r"POST .*/commit/"


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "my_vit")


@pytest.fixture
def upload(hub_server, preset):
    """Uploads the preset as "me"."""

    def run(repository="me/vit", folder=preset, **options):
        return hub.upload_preset(repository, folder, **{"token": "hf_me", "endpoint": hub_server.endpoint, **options})

    return run


def commits(hub_server, repo_id="me/vit"):
    """Titles of the commits after the one that makes the repository."""
    return [commit.title for commit in hub_server.repositories[repo_id].commits.values()][1:]


def test_a_new_repository_gets_the_files_of_the_folder_in_one_commit(hub_server, upload, preset):
    done = upload(commit_message="First try")

    assert hub_server.files("me/vit") == content(preset)
    assert commits(hub_server) == ["First try"]
    assert len(hub_server.log(COMMITS)) == 1
    assert sorted(done.files) == ["LICENSE", "README.md", "config.json", "model.safetensors"]
    assert done.commit == hub_server.repositories["me/vit"].refs["refs/heads/main"]
    assert done.url == f"{hub_server.endpoint}/me/vit/commit/{done.commit}"
    assert str(done).startswith(f"published: {done.url} (")


def test_the_repository_may_be_named_as_keras_names_it(hub_server, upload, preset):
    assert upload("hf://me/vit").repo_id == "me/vit"
    assert hub_server.files("me/vit") == content(preset)


def test_nothing_else_in_the_folder_is_uploaded(hub_server, upload, preset):
    expected = content(preset)
    for name in (".env", ".gitattributes", "notes.txt", "model-00001-of-00002.safetensors", "optimizer.weights.h5"):
        (preset / name).write_text("hf_secret")
    (preset / ".git").mkdir()
    (preset / ".git" / "config").write_text("hf_secret")

    upload()

    assert hub_server.files("me/vit") == expected
    assert b"hf_secret" not in b"".join(request.body for request in hub_server.requests)


def test_a_new_version_replaces_ours_and_leaves_what_others_put_there(hub_server, upload, tmp_path):
    old = {"model.weights.h5": b"old", "metadata.json": b"{}", "README.md": b"old", "examples/cat.txt": b"cat"}
    hub_server.add("me/vit", old)
    folder = write_preset(tmp_path / "new", 2.0)

    upload(folder=folder)

    assert hub_server.files("me/vit") == {**content(folder), "examples/cat.txt": b"cat"}
    assert len(hub_server.log(COMMITS)) == 1


def test_what_is_there_already_makes_no_second_commit(hub_server, upload):
    first = upload()

    assert upload().commit == first.commit
    assert len(hub_server.log(COMMITS)) == 1


def test_a_private_repository_is_made(hub_server, upload):
    upload(private=True)
    assert hub_server.repositories["me/vit"].private
    upload(private=True, commit_message="again")


def test_private_refuses_a_public_repository(hub_server, upload):
    hub_server.add("me/vit", {"README.md": b"old"})

    with pytest.raises(ValueError, match="private=True needs a private repository; me/vit exists"):
        upload(private=True, revision="v2")

    assert hub_server.files("me/vit") == {"README.md": b"old"}
    assert set(hub_server.repositories["me/vit"].refs) == {"refs/heads/main"}


def test_a_revision_is_a_branch_that_is_made_where_there_is_none(hub_server, upload, preset, tmp_path):
    upload()
    newer = write_preset(tmp_path / "newer", 2.0)
    for _ in range(2):  # the branch exists the second time
        upload(folder=newer, revision="v2")

    assert hub_server.files("me/vit") == content(preset)
    assert hub_server.files("me/vit", "v2") == content(newer)


@pytest.mark.parametrize("token", ["hf_me", "hf_other"])
def test_a_pull_request_leaves_the_main_branch_alone(hub_server, upload, preset, token):
    hub_server.add("me/vit", {"README.md": b"old"})

    done = upload(create_pr=True, token=token)

    assert hub_server.files("me/vit") == {"README.md": b"old"}
    assert hub_server.files("me/vit", "refs/pr/1") == content(preset)
    assert done.url == f"{hub_server.endpoint}/me/vit/discussions/1"


def test_a_hub_without_xet_gets_the_files_as_before_xet(hub_server, upload, preset, monkeypatch):
    pytest.importorskip("hf_xet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)

    upload()

    assert hub_server.log("xet-write-token")
    assert hub_server.files("me/vit") == content(preset)
    assert commits(hub_server) == ["Upload model with keras_vit"]


@pytest.mark.slow
def test_an_upload_that_is_killed_publishes_nothing_and_the_next_one_everything(hub_server, upload, preset):
    hub_server.add("me/vit", {"README.md": b"old"})
    hub_server.fail("PUT /objects/", wait=60)
    code = "import sys; from keras_vit import hub; hub.upload_preset(*sys.argv[1:3], token='hf_me')"
    process = subprocess.Popen([sys.executable, "-c", code, "me/vit", preset], env=dict(os.environ))
    deadline = time.monotonic() + 120
    while not hub_server.log("PUT /objects/") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert hub_server.log("PUT /objects/")
    assert hub_server.files("me/vit") == {"README.md": b"old"}
    upload()
    assert hub_server.files("me/vit") == content(preset)


def test_the_card_arrives_as_it_is_in_the_folder(hub_server, upload, preset):
    with (preset / "README.md").open("a", encoding="utf-8") as card:
        card.write("\nWritten by hand: äöü\n")
    upload()
    assert hub_server.files("me/vit")["README.md"].decode().endswith("Written by hand: äöü\n")
