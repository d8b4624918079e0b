import hashlib
import json

import pytest
from typer.testing import CliRunner, Result

from keras_vit import ViT, checkpoints
from keras_vit.cli.app import build_app
from tests.models.vit.configs import TINY


@pytest.fixture
def command():
    """Runs `keras-vit convert` in this process."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(build_app(), ["convert", *map(str, arguments)], catch_exceptions=False)

    return run


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A preset folder to convert."""
    model = ViT(**{**TINY, "image_size": 8}, labels=["ant", "bee", "cat"])
    return model.save_to_preset(tmp_path_factory.mktemp("presets") / "source")


def contents(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def names_in(folder):
    with checkpoints.read(folder / "model.safetensors") as tensors:
        return set(tensors)


def test_convert_writes_a_preset_folder_and_prints_what_was_read(command, source, tmp_path):
    result = command(source, tmp_path / "ours")
    assert result.exit_code == 0, result.output
    report = f"{source / 'model.safetensors'}: {len(names_in(source))} loaded"
    assert result.stdout == f"{report}\nwritten: {tmp_path / 'ours'}\n"
    assert contents(tmp_path / "ours")["model.safetensors"] == contents(source)["model.safetensors"]
    assert "certificate" in json.loads((tmp_path / "ours" / "config.json").read_text())["keras_vit"]


def test_convert_writes_for_transformers_and_reads_it_back(command, source, tmp_path):
    assert command(source, tmp_path / "theirs", "--to", "transformers").exit_code == 0
    assert "vit.embeddings.cls_token" in names_in(tmp_path / "theirs")
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["id2label"]["1"] == "bee"

    result = command(tmp_path / "theirs", tmp_path / "back", "--to", "timm")
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "back")["model.safetensors"] == contents(source)["model.safetensors"]


def test_convert_changes_head_and_image_size_on_the_way(command, source, tmp_path):
    result = command(source, tmp_path / "changed", "--num-classes", 0, "--image-size", 16)
    assert result.exit_code == 0, result.output
    assert "positional_encoding/table" in result.stdout
    config = json.loads((tmp_path / "changed" / "config.json").read_text())["keras_vit"]["config"]
    assert (config["num_classes"], config["image_size"]) == (0, [16, 16])
    assert not {name for name in names_in(tmp_path / "changed") if name.startswith("head.")}


def test_convert_replaces_what_it_wrote_in_either_form(command, source, tmp_path):
    for form in ("timm", "transformers", "timm"):
        assert command(source, tmp_path / "out", "--to", form).exit_code == 0
        assert ("cls_token" in names_in(tmp_path / "out")) == (form == "timm")
        assert (tmp_path / "out" / "preprocessor_config.json").exists() == (form == "transformers")


def test_convert_says_what_is_wrong_and_leaves_the_target_as_it_was(command, source, tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    for arguments, message in (
        ((source, tmp_path / "foreign"), "Saving replaces the whole folder"),
        ((source, tmp_path / "new", "--to", "onnx"), "convert needs `to` to be one of timm, transformers"),
        ((source, tmp_path / "new", "--image-size", 7), "ViTConfig has 1 wrong field"),
        ((tmp_path / "absent", tmp_path / "new"), "No preset folder at"),
        ((tmp_path / "foreign", tmp_path / "new"), "A preset folder needs a config.json"),
    ):
        result = command(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith(f"keras-vit: {message}")
        assert not (tmp_path / "new").exists()
        assert {path.name for path in (tmp_path / "foreign").iterdir()} == {"thesis.txt"}
