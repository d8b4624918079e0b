import pytest
from typer.testing import CliRunner

from keras_vit import training
from keras_vit.cli.app import build_app


@pytest.fixture
def command():
    app = build_app()
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def check_error(result, message):
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


def test_options_become_settings_and_the_table_is_printed(command, tmp_path, monkeypatch):
    asked = []

    def compare(settings, folder, *, console):
        asked.append((settings, folder, console))
        row = training.ComparisonRow(
            model="cnn",
            fraction=0.1,
            num_images=14,
            accuracies=(0.5, 0.75),
            num_parameters=1234,
            macs=5_600_000,
            images_per_second=99.6,
            memory_mb=None,
        )
        return training.Comparison(folder=folder, rows=(row,))

    monkeypatch.setattr(training, "compare", compare)
    result = command(
        "compare", "vit_ti16", "cnn", "--steps", 50, "--seeds", 2, "--fractions", "0.1,1", "--set", "mixup=0.5",
        "--image-size", "32", "--out", tmp_path, "-q",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    settings, folder, console = asked[0]
    assert (settings.models, settings.steps, settings.epochs) == (("vit_ti16", "cnn"), 50, None)
    assert (settings.seeds, settings.fractions, settings.image_size) == ((0, 1), (0.1, 1.0), (32, 32))
    assert settings.chosen_recipe.mixup == 0.5
    assert (folder, console) == (tmp_path, None)
    spread = "62.50 ± 17.68 %"  # NumPy: std of 50 and 75, ddof=1
    line = f"| cnn | 14 (10 %) | {spread} | 50.00 - 75.00 % | 2 | 1,234 | 5.6 M | 100 | - |"
    assert result.stdout.splitlines()[-1] == line


def test_wrong_options_are_one_line(command, tmp_path):
    check_error(command("compare", "--fractions", "half"), "0.1,0.3,1")
    check_error(command("compare", "--epochs", 1, "--steps", 1), "either epochs or steps")
    check_error(command("compare", "cnn", "--out", tmp_path / "new"), "models needs a ViT")
    assert not (tmp_path / "new").exists()


def test_evaluate_draws_pictures_on_request(command, tiny_preset, tmp_path):
    folder = tmp_path / "pictures"

    result = command("evaluate", tiny_preset, "--pictures", folder)

    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {"confusion.png", "mistakes.png"}
    assert f"pictures: {folder / 'confusion.png'}, {folder / 'mistakes.png'}" in result.stdout
