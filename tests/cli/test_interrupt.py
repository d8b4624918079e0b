import json
import os
import re
import signal
import subprocess
import sys
import time

import keras

CODE = "import sys; sys.argv[0] = 'keras-vit'; from keras_vit.cli import main; main()"


def start(*arguments: object) -> subprocess.Popen:
    environment = {**os.environ, "KERAS_BACKEND": keras.config.backend()}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command line keeps TensorFlow quiet by itself
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


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
    assert not (out / "checkpoint").exists()


def test_ctrl_c_in_the_first_epoch_says_how_to_go_on(tiny_preset, tmp_path):
    out = tmp_path / "run"
    with start("train", "--preset", tiny_preset, "--epochs", 12, "--batch-size", 1, "--out", out) as process:
        while not (out / "history.csv").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()

    assert process.returncode == 130
    assert output == ""
    assert errors == f"keras-vit: stopped; go on with: keras-vit train --resume --out {out}\n"
    assert not (out / "model").exists()
