"""A real process, killed by SIGKILL at one moment after another, ends with the bytes of one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest

# Kills its own process where it is told to: while a batch is made, a file is half written or not yet in place, ...
CODE = """
import importlib, os, shutil, signal, sys
import safetensors.numpy
from keras_vit.data import ImageBatches
from keras_vit.hub import folder as hub_folder
from keras_vit.training import RunFolder, RunSettings, run
from keras_vit.training.callbacks import EpochSeeds, History

preset, out, moment = sys.argv[1:]

def kill(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)

def at_call(number, owner, name, action=kill):
    original, count = getattr(owner, name), iter(range(1, 10**6))
    def replacement(*arguments, **more):
        if next(count) == number:
            action(*arguments, **more)
        return original(*arguments, **more)
    setattr(owner, name, replacement)

def write_half(arrays, path, metadata=None):
    whole = safetensors.numpy.save(arrays, metadata=metadata)
    with open(path, "wb") as file:
        file.write(whole[: len(whole) // 2])
    kill()

def swap_half(temporary, target):
    if target.exists():
        os.rename(target, hub_folder._beside(target, "previous"))
    kill()

moments = {
    "batch": lambda: at_call(5, ImageBatches, "__getitem__"),
    "writing": lambda: at_call(2, safetensors.numpy, "save_file", write_half),
    "in place": lambda: at_call(4, os, "replace"),
    "epoch": lambda: at_call(2, EpochSeeds, "on_epoch_begin"),
    "history": lambda: at_call(1, History, "on_epoch_end"),
    "model": lambda: at_call(1, hub_folder, "_swap"),
    "swap": lambda: at_call(1, hub_folder, "_swap", swap_half),
    "finish": lambda: at_call(2, shutil, "rmtree"),
    "": lambda: None,
}
moments[moment]()
settings = RunSettings(
    preset=preset, epochs=4, batch_size=256, learning_rate=0.01, drop_path_rate=0.5, seed=7, license="mit",
    checkpoint_steps=2,
)
run(settings, out, resume=RunFolder(out).is_resumable)
"""


def start(preset: Path, out: Path, moment: str = "") -> subprocess.Popen:
    environment = {**os.environ, "KERAS_BACKEND": keras.config.backend()}
    command = [sys.executable, "-c", CODE, str(preset), str(out), moment]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_again_and_again_a_run_ends_with_the_same_bytes(tiny_preset, tmp_path):
    unbroken, out = tmp_path / "unbroken", tmp_path / "killed"
    with start(tiny_preset, unbroken) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors

    generator = random.Random(os.getpid())
    for _ in range(2):  # whenever it happens to be
        delay = generator.uniform(0, 0.5)
        with start(tiny_preset, out) as process:
            while not (out / "settings.json").exists():
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            time.sleep(delay)
            process.kill()
    for moment in ("batch", "writing", "in place", "epoch", "history", "model", "swap", "finish"):
        with start(tiny_preset, out, moment) as process:
            _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, (moment, errors)
    with start(tiny_preset, out) as process:
        _, errors = process.communicate()

    # The last kill came when all but the removal of checkpoints was done: such a run is finished, or resumes to be.
    assert process.returncode == 0 or "is no" in errors or "already holds" in errors, errors
    for name in ("model/model.safetensors", "history.csv"):
        assert (unbroken / name).read_bytes() == (out / name).read_bytes(), name
    assert not (out / "checkpoint").exists()
