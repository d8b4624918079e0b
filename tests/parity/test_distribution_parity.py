"""Training on several devices and processes against one device: equal losses, and variables that are really split."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.parity

EIGHT_DEVICES = "--xla_force_host_platform_device_count=8"

# 128 images to train with and 32 to validate, so that every device count here divides all batches.
TRAIN = """
import contextlib, json, sys
import keras, numpy as np
import keras_vit
from keras_vit.training import Placement

folder, arguments, *more = sys.argv[1:]

def prepare(num_heads=4):
    keras.utils.set_random_seed(1)
    model = keras_vit.ViT(image_size=8, patch_size=4, embed_dim=32, depth=2, num_heads=num_heads, num_classes=2)
    train, test = keras_vit.data.load(folder, preprocessing=model.preprocessing, batch_size=48, seed=3)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3, name="adam_w"), loss, metrics=["accuracy"])
    return model, train, test

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""

FIT = """
with Placement(**json.loads(arguments)).scope():
    model, train, test = prepare()
    history = model.fit(train, validation_data=test, epochs=2, shuffle=False, verbose=0).history
    kernel = model.get_layer("encoder_0").attention.qkv.kernel.value
    parts = [part.data.shape for part in kernel.addressable_shards] if keras.backend.backend() == "jax" else []
    print(json.dumps([history, parts]))
"""

COMMAND_LINE = "from keras_vit.cli import main; main()"

ORBAX = """
checkpoints = more[0]
with Placement(mesh=(2, 4)).scope():
    model, train, _ = prepare()
    callback = keras.callbacks.OrbaxCheckpoint(directory=checkpoints, save_on_background=False, monitor="loss")
    model.fit(train, epochs=1, shuffle=False, verbose=0, callbacks=[callback])
    saved = [np.asarray(value.value) for value in [*model.variables, *model.optimizer.variables]]
with Placement(mesh=(4, 2)).scope():
    model, train, _ = prepare()
    model.optimizer.build(model.trainable_variables)
    model.load_weights(checkpoints)
    kernel = model.get_layer("encoder_0").attention.qkv.kernel.value
    restored = [np.asarray(value.value) for value in [*model.variables, *model.optimizer.variables]]
    print(json.dumps([
        all(np.array_equal(*pair) for pair in zip(saved, restored, strict=True)),
        kernel.addressable_shards[0].data.shape,
    ]))
"""


def start(code, *arguments, backend="jax", flags=""):
    environment = {**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": flags}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    output, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors[-3000:]
    return output.strip().splitlines()[-1]


def train(folder, backend="jax", flags=EIGHT_DEVICES, **placement):
    return json.loads(finish(start(TRAIN + FIT, folder, json.dumps(placement), backend=backend, flags=flags)))


def assert_equal(history, expected):
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, atol=2e-5, err_msg=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of small photographs: light and dark noise."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(160):
        shade, name = ((60, "dark"), (140, "light"))[number % 2]
        (folder / name).mkdir(exist_ok=True)
        pixels = rng.integers(0, shade + 60, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def one_device(folder):
    history, parts = train(folder)
    assert parts == [[32, 96]]
    return history


@pytest.fixture
def addresses():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    return [f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"]


def test_eight_devices_have_the_losses_of_one(folder, one_device):
    history, parts = train(folder, devices=8)
    assert parts == [[32, 96]] * 8
    assert_equal(history, one_device)


def test_mesh_splits_kernels_and_has_the_losses_of_one(folder, one_device):
    history, parts = train(folder, mesh=[2, 4])
    assert parts == [[32, 24]] * 8
    assert_equal(history, one_device)


def test_two_processes_have_the_losses_of_one(folder, one_device, addresses):
    arguments = [{"processes": addresses, "process_id": index} for index in range(2)]
    processes = [start(TRAIN + FIT, folder, json.dumps(each)) for each in arguments]
    for process in processes:
        history, _ = json.loads(finish(process))
        assert_equal(history, one_device)


def test_mirrored_strategy_has_the_losses_of_one(folder):
    expected, _ = train(folder, backend="tensorflow")
    history, _ = train(folder, backend="tensorflow", devices=2)
    assert_equal(history, expected)


def test_sharded_checkpoint_is_restored_onto_another_mesh(folder, tmp_path):
    pytest.importorskip("orbax.checkpoint", reason="needs the extra `orbax`")
    process = start(TRAIN + ORBAX, folder, "{}", tmp_path / "checkpoints", flags=EIGHT_DEVICES)
    assert json.loads(finish(process)) == [True, [32, 48]]


def test_command_line_reaches_mesh_and_processes(tmp_path, addresses):
    options = ["train", "--epochs", 1, "--batch-size", 96, "--no-augmentation", "--drop-path-rate", 0, "-q"]
    finish(start(COMMAND_LINE, *options, "--out", tmp_path / "one"))
    finish(start(COMMAND_LINE, *options, "--mesh", "2x4", "--out", tmp_path / "mesh", flags=EIGHT_DEVICES))
    where = ["--out", tmp_path / "many", "--processes", ",".join(addresses), "--process-id"]
    for process in [start(COMMAND_LINE, *options, *where, index) for index in range(2)]:
        finish(process)
    rows = [(tmp_path / name / "history.csv").read_text().splitlines() for name in ("one", "mesh", "many")]
    column = rows[0][0].split(",").index("val_loss")
    losses = [float(lines[1].split(",")[column]) for lines in rows]
    np.testing.assert_allclose(losses[1], losses[2], atol=2e-5)
    np.testing.assert_allclose(losses[0], losses[1], atol=2e-3)  # 1437 images: two devices train on one fewer


def test_mesh_that_does_not_divide_the_heads_is_one_error(folder):
    process = start(TRAIN + FIT.replace("prepare()", "prepare(2)"), folder, '{"mesh": [2, 4]}', flags=EIGHT_DEVICES)
    _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "got 4 devices along 'model' and num_heads=2. What divides them all is 1, 2." in errors
