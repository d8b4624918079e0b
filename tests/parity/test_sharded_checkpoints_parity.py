"""Runs on a mesh over two processes, with checkpoints in parts: stopped or not, they end as if nothing had happened."""

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

# Kills its own process after one of the checkpoints; 0: never. The disk is full for the first process at one.
COMMAND_LINE = """
import os, shutil, signal, sys
from keras_vit.cli import main
from keras_vit.training.checkpointing import TrainingCheckpoint

last, full, original, usage = int(sys.argv.pop(1)), int(sys.argv.pop(1)), TrainingCheckpoint._save, shutil.disk_usage
count = iter(range(1, 1000))

def save(*arguments):
    number = next(count)
    is_full = number == full and sys.argv[-1] == "0"
    shutil.disk_usage = (lambda path: usage(path)._replace(free=1000)) if is_full else usage
    original(*arguments)
    if number == last:
        os.kill(os.getpid(), signal.SIGKILL)

TrainingCheckpoint._save = save
main()
"""


def start(killed_after, full_at, *arguments, num_devices):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices}",
    }
    options = ["train", "--sharded-checkpoints", "-q", *map(str, arguments)]
    command = [sys.executable, "-c", COMMAND_LINE, str(killed_after), str(full_at), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process, expected=0):
    _, errors = process.communicate(timeout=500)
    assert process.returncode == expected, errors[-3000:]
    return errors


def train_in_two(out, *options, killed_after=0, full_at=0):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    where = ["--processes", f"127.0.0.1:{port},127.0.0.1:{port + 1}", "--process-id"]
    arguments = ["--out", out, "--mesh", "2x2", *options, *where]
    processes = [start(killed_after, full_at, *arguments, index, num_devices=2) for index in range(2)]
    return [finish(process, -signal.SIGKILL if killed_after else 0) for process in processes]


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
    # A checkpoint that does not fit is left out, in both processes; the one before stays.
    errors = train_in_two(unbroken, *options, full_at=3)
    assert "the disk is full. The checkpoint after the first 4 batches of epoch 1 is kept" in errors[0]
    train_in_two(killed, *options, killed_after=4)  # after 6 of 10 steps

    written = sorted(path.name for path in (killed / "checkpoint").iterdir())
    assert written == ["epoch_000001_batch_00000000.orbax", "epoch_000001_batch_00000001.orbax"]
    assert not any((tmp_path / "killed.process1" / "checkpoint").iterdir())
    subprocess.run(["cp", "-r", killed, moved], check=True)
    train_in_two(killed, "--resume")
    # All devices in one process, another mesh.
    finish(start(0, 0, "--out", moved, "--mesh", "4x1", "--resume", num_devices=4))

    expected, resumed, elsewhere = weights(unbroken), weights(killed), weights(moved)
    for name, array in expected.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
        np.testing.assert_allclose(elsewhere[name], array, atol=1e-4, err_msg=name)
    assert not (killed / "checkpoint").exists()
    assert json.loads((killed / "model" / "config.json").read_text())["keras_vit"]["provenance"]["training"]
