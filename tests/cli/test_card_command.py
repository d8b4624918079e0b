"""`keras-vit card`: the card of a model, printed and checked."""

import pytest
from typer.testing import CliRunner

from keras_vit.cli.app import build_app


@pytest.fixture
def command():
    def run(*arguments):
        return CliRunner().invoke(build_app(), ["card", *map(str, arguments)], catch_exceptions=False)

    return run


def test_the_card_of_a_folder_is_printed(command, tiny_preset):
    result = command(tiny_preset)
    assert result.exit_code == 0
    assert result.stdout == (tiny_preset / "README.md").read_text(encoding="utf-8")


def test_the_card_for_a_repository_is_what_push_would_write(command, tiny_preset):
    result = command(tiny_preset, "--for", "me/my_vit")
    assert "# my_vit\n" in result.stdout
    assert "library_name: keras\n" in result.stdout
    assert 'keras.saving.load_model("hf://me/my_vit")' in result.stdout

    wrong = command(tiny_preset, "--for", "my_vit")
    assert wrong.exit_code == 2
    assert 'needs a repository "owner/name"' in wrong.stderr


def test_a_good_card_passes_and_a_changed_one_does_not(command, tiny_preset, tmp_path):
    good = command(tiny_preset, "--check")
    assert (good.exit_code, good.stdout) == (0, f"{tiny_preset / 'README.md'}: no faults found\n")

    for path in tiny_preset.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(card.replace("license: mit", "license: apache-2.0"), encoding="utf-8")
    (tmp_path / "LICENSE").unlink()

    bad = command(tmp_path, "--check")

    assert (bad.exit_code, bad.stdout) == (2, "")
    assert bad.stderr == (
        f"keras-vit: The card in {tmp_path} has 2 fault(s):\n"
        "- license needs to be that of the weights, 'mit'; got 'apache-2.0'.\n"
        "- LICENSE is missing or empty; save the model again.\n"
    )


def test_a_check_needs_a_folder(command, tmp_path):
    result = command(tmp_path / "nothing", "--check")
    assert result.exit_code == 2
    assert "There is no preset folder" in result.stderr
