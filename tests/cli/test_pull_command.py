import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from keras_vit.cli.app import build_app
from tests.models.goldens import FOLDER


@pytest.fixture
def command(hub_server):
    """Runs `keras-vit pull` in this process, with a repository to pull."""
    commit = hub_server.add("me/model", FOLDER / "timm_vit")

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(build_app(), ["pull", *map(str, arguments)], catch_exceptions=False)

    return run, commit


def test_pull_fetches_into_the_cache_and_prints_the_folder(command):
    run, commit = command
    result = run("me/model")
    assert result.exit_code == 0, result.output
    folder = Path(result.stdout.strip())
    assert folder.name == commit
    for name in ("config.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (FOLDER / "timm_vit" / name).read_bytes()


def test_pull_writes_a_preset_folder_that_names_its_source(command, tmp_path):
    run, commit = command
    result = run("hf://me/model@main", tmp_path / "preset")
    assert result.exit_code == 0, result.output
    assert f"written: {tmp_path / 'preset'}" in result.stdout
    section = json.loads((tmp_path / "preset" / "config.json").read_text())["keras_vit"]
    assert section["provenance"]["source"] == {"repo_id": "me/model", "revision": commit}


def test_pull_says_what_is_wrong_in_one_message(command, tmp_path):
    run, _ = command
    for arguments, message in (
        (["me/none"], "There is no repository me/none"),
        (["me/model", tmp_path / "preset", "--revision", "v9"], "me/model has no revision 'v9'"),
        (["me/model", "--revision", "../../x"], "A revision needs"),
        (["me/model", "--endpoint", "hub"], "An endpoint needs"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith(f"keras-vit: {message}")
        assert not (tmp_path / "preset").exists()
