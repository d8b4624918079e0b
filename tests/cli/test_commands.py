import json
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from keras_vit.cli.app import build_app
from keras_vit.training import RunSettings


@pytest.fixture
def command():
    """Runs a command line in this process."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(build_app(), list(map(str, arguments)), catch_exceptions=False)

    return run


@pytest.fixture
def image(tmp_path, rng) -> Path:
    Image.fromarray(rng.integers(256, size=(8, 8)).astype("uint8")).save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def check_error(result: Result, message: str) -> None:
    """A user's mistake: exit code 2, one message on stderr, no traceback."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("keras-vit: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_train_prints_accuracy_and_writes_a_model_that_evaluate_and_predict_use(command, tiny_preset, tmp_path, image):
    out = tmp_path / "run"
    settings = ("--preset", tiny_preset, "--epochs", 2, "--batch-size", 256, "--learning-rate", 0.01)

    trained = command("train", *settings, "--out", out)

    assert trained.exit_code == 0, trained.output
    first, second, accuracy, model = trained.stdout.splitlines()
    assert first.startswith("epoch 1/2  loss ")
    assert second.startswith("epoch 2/2  loss ")
    pattern = r"test accuracy (\d+\.\d\d) % \((\d+) of 360 images\)"
    percent, num_correct = re.fullmatch(pattern, accuracy).groups()
    assert model == f"model: {out / 'model'}"
    history = json.loads((out / "settings.json").read_text())
    assert (history["epochs"], history["batch_size"], history["learning_rate"]) == (2, 256, 0.01)

    evaluated = json.loads(command("evaluate", out / "model", "--json").stdout)
    assert (evaluated["num_images"], evaluated["num_correct"]) == (360, int(num_correct))
    assert evaluated["accuracy"] == pytest.approx(float(percent) / 100, abs=1e-4)
    assert sum(each["num_images"] for each in evaluated["classes"]) == 360

    table = command("evaluate", out / "model").stdout
    assert table.endswith(f"accuracy {percent} % ({num_correct} of 360 images)\n")
    assert all(word in table for word in ("class", "recall", "correct", "images"))

    predicted = json.loads(command("predict", image, image, "--preset", out / "model", "--top", 3, "--json").stdout)
    assert [row["image"] for row in predicted] == [str(image)] * 2
    assert len(predicted[0]["classes"]) == 3
    probabilities = [entry["probability"] for entry in predicted[0]["classes"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert {entry["label"] for entry in predicted[0]["classes"]} <= set("0123456789")

    again = command("train", *settings, "--out", out)
    check_error(again, "already holds a training run")
    check_error(command("train", "--resume", "--out", out), "is finished: 2 of 2 epochs")
    check_error(command("train", "--resume", "--out", out, "--epochs", 9), "- epochs: 9 asked for, 2 there")


def test_predict_prints_a_table(command, tiny_preset, image):
    result = command("predict", image, "--preset", tiny_preset, "--top", 2)

    assert result.exit_code == 0
    assert str(image) in result.stdout
    assert result.stdout.count(" %") == 2


def test_list_shows_presets_that_match(command):
    every, some = command("list").stdout, command("list", "vit_b16*").stdout
    names = [row["name"] for row in json.loads(command("list", "vit_b16*", "--json").stdout)]

    assert "vit_ti16" in every
    assert "vit_ti16" not in some
    assert names == ["vit_b16", "vit_b16_384", "vit_b16_in21k"]
    assert all(name in some for name in names)


def test_show_prints_the_facts_of_a_preset(command, tiny_preset):
    assert "embed_dim=192" in command("show", "vit_ti16").stdout
    assert "embed_dim=16" in command("show", tiny_preset).stdout


def test_mistakes_are_one_message_and_exit_code_2(command, tiny_preset, tmp_path, image):
    (tmp_path / "broken.png").write_bytes(image.read_bytes()[:40])
    out = ("--out", tmp_path / "run")

    check_error(command("train", "--preset", "vit_digit", *out), "Did you mean 'vit_digits'")
    check_error(command("train", "--data", "digts", *out), "digits")
    check_error(command("train", "--epochs", 0, *out), "epochs needs a whole number")
    check_error(command("train", "--dtype", "float8", *out), "dtype needs one of")
    check_error(command("train", "--image-size", "8by8", *out), "got '8by8'")
    check_error(command("train", "--resume", *out), "has no settings.json")
    check_error(command("train", "--out", image / "run"), "needs a folder it may write to")
    check_error(command("evaluate", "vit_b17"), "vit_b16")
    check_error(command("evaluate", tiny_preset, "--data", tmp_path / "nothing"), "nothing")
    check_error(command("predict", tmp_path / "broken.png", "--preset", tiny_preset), "broken.png")
    check_error(command("predict", tmp_path / "missing.png", "--preset", tiny_preset), "missing.png")
    check_error(command("show", "vit_x"), "vit_x")
    check_error(command("list", "resnet*"), "resnet*")
    assert not (tmp_path / "run").exists()


def test_missing_backend_names_its_extra(command, monkeypatch):
    from keras_vit.cli import backends

    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(backends, "_is_installed", lambda name: False)

    result = command("list")

    check_error(result, 'KERAS_BACKEND=jax needs an extra: pip install "keras3-vit[jax]"')
    assert len(result.stderr.splitlines()) == 1


def test_traceback_can_be_asked_for(command, monkeypatch):
    monkeypatch.setenv("KERAS_VIT_TRACEBACK", "1")

    with pytest.raises(ValueError, match="vit_x"):
        command("show", "vit_x")


def test_help_of_train_states_the_real_defaults(command):
    text = " ".join(command("train", "--help").stdout.replace("│", " ").split())

    defaults = RunSettings()
    for name in ("data", "recipe", "dtype", "seed"):
        option = f"--{name.replace('_', '-')} "
        assert f"[default: ({getattr(defaults, name)})]" in text.split(option)[-1].split(" --")[0], name
