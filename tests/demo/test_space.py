"""A Space: three files that run the page, in a folder or in one commit on the local hub."""

import ast
import json

import pytest

from keras_vit import demo
from keras_vit.demo import space
from tests.cli.test_commands import check_error, command

__all__ = ["command"]

MODEL = "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"


@pytest.fixture(autouse=True)
def gradio_version(monkeypatch):
    """Only its version is asked for."""
    versions = {"gradio": "6.0.1", "keras3-vit": "1.2.3"}
    monkeypatch.setattr(space, "version", versions.__getitem__)


def read_metadata(read_me):
    lines = read_me.split("---\n")[1].splitlines()
    return {name: json.loads(value) for name, _, value in (line.partition(": ") for line in lines)}


def test_a_folder_holds_what_a_space_needs(tmp_path):
    folder = demo.write_space(tmp_path / "space", MODEL, title='A "demo": mine')
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "app.py", "requirements.txt"]
    assert (folder / "requirements.txt").read_text() == "keras3-vit[demo,jax]==1.2.3\n"
    assert read_metadata((folder / "README.md").read_text()) == {
        "title": 'A "demo": mine',
        "sdk": "gradio",
        "sdk_version": "6.0.1",
        "app_file": "app.py",
        "pinned": False,
        "models": [MODEL],
    }
    (launch,) = [node.value for node in ast.parse((folder / "app.py").read_text()).body[-1:]]
    assert ast.unparse(launch) == f"launch({MODEL!r})"


def test_app_py_serves_the_page(tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr(demo, "launch", served.append)
    monkeypatch.setenv("KERAS_BACKEND", "as it is")  # the file sets it only where nothing is set
    folder = demo.write_space(tmp_path / "space", "vit_digits")
    exec(compile((folder / "app.py").read_text(), "app.py", "exec"), {})
    assert served == ["vit_digits"]


def test_a_folder_is_written_anew_but_others_files_are_left_alone(tmp_path):
    demo.write_space(tmp_path, "vit_digits", package="mine @ git+https://example.org/mine")
    assert (tmp_path / "requirements.txt").read_text() == "mine @ git+https://example.org/mine\n"
    demo.write_space(tmp_path, "vit_digits")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"needs a folder of its own; .* holds notes.txt"):
        demo.write_space(tmp_path, "vit_digits")


def test_a_model_of_this_machine_is_refused(tiny_preset, tmp_path):
    with pytest.raises(ValueError, match="needs a model that it can load; .* Publish it first: keras-vit push"):
        demo.write_space(tmp_path / "space", str(tiny_preset))
    assert not (tmp_path / "space").exists()


def test_a_space_is_made_and_gets_its_files_in_one_commit(hub_server, command, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_me")

    result = command("demo", "vit_digits", "--space", "me/digits", "--private", "--endpoint", hub_server.endpoint)

    assert result.exit_code == 0, result.output
    assert result.stdout == f"published: {hub_server.endpoint}/spaces/me/digits\n"
    assert sorted(hub_server.files("me/digits")) == ["README.md", "app.py", "requirements.txt"]
    assert hub_server.repositories["me/digits"].private
    assert len(hub_server.log(r"POST /api/spaces/me/digits/commit/main")) == 1
    (made,) = [request for request in hub_server.requests if str(request).startswith("POST /api/repos/create")]
    assert {"type": "space", "sdk": "gradio"}.items() <= json.loads(made.body).items()


def test_a_space_of_somebody_else_is_one_error(hub_server, command, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_me")
    result = command("demo", "vit_digits", "--space", "other/digits", "--endpoint", hub_server.endpoint)
    check_error(result, "other/digits was not published: the token has no permission to write there")


def test_dry_run_writes_the_files_and_uploads_nothing(command, tmp_path):
    result = command("demo", "vit_digits", "--space", "me/digits", "--dry-run", tmp_path / "space")
    assert result.stdout == f"written, not published: {tmp_path / 'space'}\n"
    assert (tmp_path / "space" / "app.py").exists()


@pytest.mark.parametrize("option", [("--private",), ("--title", "mine"), ("--package", "mine")], ids=str)
def test_options_of_a_space_need_one(command, option):
    check_error(command("demo", *option), "demo needs --space OWNER/NAME")
