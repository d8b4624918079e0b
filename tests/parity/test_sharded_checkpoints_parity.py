"""Runs on a mesh over two processes, with checkpoints in parts: killed and resumed, they end as if never stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_vit import checkpoints

pytestmark = pytest.mark.parity

# Kills its own process after one of the checkpoints; 0: never.
COMMAND_LINE = """
import os, signal, sys
from keras_vit.cli import main
from keras_vit.training.checkpointing import TrainingCheckpoint

number, original = int(sys.argv.pop(1)), TrainingCheckpoint._save
count = iter(range(1, 1000))

def save(*arguments):
    original(*arguments)
    if next(count) == number:
        os.kill(os.getpid(), signal.SIGKILL)

TrainingCheckpoint._save = save
main()
"""


def start(*arguments, num_devices):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices}",
    }
    command = [sys.executable, "-c", COMMAND_LINE, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process, expected=0):
    _, errors = process.communicate(timeout=500)
    assert process.returncode == expected, errors[-3000:]


def train_in_two(out, *options, killed_after=0):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    where = ["--processes", f"127.0.0.1:{port},127.0.0.1:{port + 1}", "--process-id"]
    arguments = [killed_after, "train", "--out", out, "--mesh", "2x2", "--sharded-checkpoints", "-q", *options, *where]
    for process in [start(*arguments, index, num_devices=2) for index in range(2)]:
        finish(process, -signal.SIGKILL if killed_after else 0)


def weights(out: Path) -> dict[str, np.ndarray]:
    with checkpoints.open_weights(out / "model" / "model.safetensors") as tensors:
        return {name: tensors[name] for name in tensors}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_within_an_epoch_a_run_on_a_mesh_goes_on_to_the_same_weights(tiny_preset, tmp_path):
    pytest.importorskip("orbax.checkpoint", reason="needs the extra `orbax`")
    # Without augmentation, which each process draws for its own rows: other processes draw other pictures.
    options = [
        "--preset",
        tiny_preset,
        "--epochs",
        2,
        "--batch-size",
        288,
        "--checkpoint-steps",
        2,
        "--no-augmentation",
    ]
    unbroken, killed, moved = tmp_path / "unbroken", tmp_path / "killed", tmp_path / "moved"
    train_in_two(unbroken, *options)
    train_in_two(killed, *options, killed_after=4)  # after 6 of 10 steps

    written = sorted(path.name for path in (killed / "checkpoint").iterdir())
    assert written == ["epoch_000001_batch_00000000.orbax", "epoch_000001_batch_00000001.orbax"]
    assert not any((tmp_path / "killed.process1" / "checkpoint").iterdir())
    subprocess.run(["cp", "-r", killed, moved], check=True)
    train_in_two(killed, "--resume")
    # All devices in one process, another mesh.
    finish(start(0, "train", "--out", moved, "--mesh", "4x1", "--sharded-checkpoints", "--resume", "-q", num_devices=4))

    expected, resumed, elsewhere = weights(unbroken), weights(killed), weights(moved)
    for name, array in expected.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
        np.testing.assert_allclose(elsewhere[name], array, atol=1e-4, err_msg=name)
    assert not (killed / "checkpoint").exists()
    assert json.loads((killed / "model" / "config.json").read_text())["keras_vit"]["provenance"]["training"]
