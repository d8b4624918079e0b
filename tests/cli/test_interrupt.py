import json
import os
import re
import signal
import subprocess
import sys
import time

import keras
import pytest
from typer.testing import CliRunner

from keras_vit import training
from keras_vit.cli.app import build_app
from keras_vit.training import RunFolder, RunResult, RunSettings

CODE = "import sys; sys.argv[0] = 'keras-vit'; from keras_vit.cli import main; main()"


def start(*arguments: object) -> subprocess.Popen:
    environment = {**os.environ, "KERAS_BACKEND": keras.config.backend()}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command line keeps TensorFlow quiet by itself
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("num_epochs", [0, 2])
def test_interrupted_run_says_what_is_there_and_how_to_go_on(num_epochs, tmp_path, monkeypatch):
    out = tmp_path / "run"

    def run(settings, folder, **options):
        RunFolder(folder).start(settings)
        if not num_epochs:
            raise KeyboardInterrupt
        return RunResult(
            model_folder=out / "model", num_epochs=2, model_epoch=1, accuracy=0.5, num_images=360, is_finished=False
        )

    monkeypatch.setattr(training, "run", run)

    result = CliRunner().invoke(build_app(), ["train", "--epochs", "12", "--out", str(out)])

    assert result.exit_code == 130
    advice = f"go on with: keras-vit train --resume --out {out}"
    if num_epochs:
        accuracy, kept, stopped = result.stdout.splitlines()
        assert accuracy == "test accuracy 50.00 % (180 of 360 images)"
        assert kept == f"{out / 'model'} holds the best weights so far, of epoch 1"
        assert stopped == f"stopped after 2 of 12 epochs; {advice}"
    else:
        assert (result.stdout, result.stderr) == ("", f"keras-vit: stopped; {advice}\n")


def test_full_disk_at_the_end_says_how_to_go_on(tmp_path, monkeypatch):
    def run(settings, folder, **options):
        RunFolder(folder).start(settings)
        raise OSError("model could not be saved: No space left on device.")

    monkeypatch.setattr(training, "run", run)

    result = CliRunner().invoke(build_app(), ["train", "--out", str(tmp_path / "run")])

    assert result.exit_code == 2
    assert "No space left on device. What was trained is kept; go on with: keras-vit train --resume" in result.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_model_and_resume_goes_on(tiny_preset, tmp_path):
    out = tmp_path / "run"
    with start("train", "--preset", tiny_preset, "--epochs", 12, "--batch-size", 128, "--out", out) as process:
        lines = []
        while not lines or not lines[-1].startswith("epoch 2/12"):
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        process.send_signal(signal.SIGINT)
        lines = process.stdout.read().splitlines()
        errors = process.stderr.read()
    assert process.returncode == 130
    assert errors == ""
    accuracy, kept, stopped = lines[-3:]
    assert accuracy.startswith("test accuracy ")
    assert accuracy.endswith(" of 360 images)")
    assert kept.startswith(f"{out / 'model'} holds the best weights so far, of epoch ")
    num_epochs, advice = re.fullmatch(r"stopped after (\d+) of 12 epochs; go on with: (.*)", stopped).groups()
    assert 2 <= int(num_epochs) < 12
    assert advice == f"keras-vit train --resume --out {out}"
    config = json.loads((out / "model" / "config.json").read_text())
    assert f"({round(360 * config['keras_vit']['provenance']['evaluation']['accuracy'])} of 360 images)" in accuracy

    with start("train", "--resume", "--out", out) as process:
        output, errors = process.communicate()

    assert process.returncode == 0, errors
    epochs = [line.split("/")[0] for line in output.splitlines() if line.startswith("epoch ")]
    assert epochs == [f"epoch {epoch}" for epoch in range(int(num_epochs) + 1, 13)]
    assert RunFolder(out).read_settings() == RunSettings(preset=str(tiny_preset), epochs=12, batch_size=128)
    assert not (out / "checkpoint").exists()


@pytest.mark.slow
def test_ctrl_c_in_the_first_epoch_says_how_to_go_on(tiny_preset, tmp_path):
    out = tmp_path / "run"
    with start("train", "--preset", tiny_preset, "--epochs", 12, "--batch-size", 1, "--out", out) as process:
        while not (out / "checkpoint").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()

    assert process.returncode == 130
    assert output == ""
    assert errors == f"keras-vit: stopped; go on with: keras-vit train --resume --out {out}\n"
    assert not (out / "model").exists()
