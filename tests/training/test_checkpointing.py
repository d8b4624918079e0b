import errno
import os

import keras
import numpy as np
import pytest

from keras_vit import checkpoints
from keras_vit.training.checkpoint_files import CheckpointFiles, Position
from keras_vit.training.checkpointing import TrainingCheckpoint
from keras_vit.training.divergence import DivergedError, DivergenceReport, StopWhenDiverged


class Batches(keras.utils.PyDataset):
    """Four batches of random numbers; one can be made NaN."""

    num_classes = 2

    def __init__(self, broken: int | None = None) -> None:
        super().__init__()
        self.broken = broken

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int):
        images = np.random.default_rng(index).normal(size=(2, 3)).astype("float32")
        return images * (np.nan if index == self.broken else 1), np.eye(2, dtype="float32")

    def names_of_batch(self, index: int) -> list[str]:
        return [f"{index}-{row}.png" for row in range(12)]


class KilledError(BaseException):
    """No handler of errors sees this, as none sees a kill."""


def make_model(use_ema: bool = True) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5, seed=3), keras.layers.Dense(2)])
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5), use_ema=use_ema)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    return model


def train(folder, *, batches=None, every_steps=None, kill_at=None, model=None) -> tuple[keras.Model, list[float]]:
    """Trains for two epochs from the newest checkpoint on; returns the model and the losses of epochs that ended."""
    batches, model = batches or Batches(), model or make_model()
    files = CheckpointFiles(folder)
    report = DivergenceReport(batches, files, lambda: "Do better.")
    checkpoint = TrainingCheckpoint(files, report, steps_per_epoch=4, every_steps=every_steps)
    losses = []

    def kill(batch, logs):
        if (checkpoint.epoch, checkpoint.batch) == kill_at:
            raise KilledError

    others = keras.callbacks.LambdaCallback(
        on_train_batch_end=kill, on_epoch_end=lambda epoch, logs: losses.append(logs["loss"])
    )
    callbacks = [StopWhenDiverged(report, checkpoint.restore(model)), checkpoint, others]
    checkpoint.fit(model, batches, epochs=2, callbacks=callbacks, shuffle=False, verbose=0)
    return model, losses


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> tuple[list[np.ndarray], list[float]]:
    model, losses = train(tmp_path_factory.mktemp("unbroken"))
    return [np.array(value) for value in model.get_weights()], losses


@pytest.mark.parametrize("kill_at", [(0, 1), (0, 3), (1, 2), (1, 4)])
def test_killed_run_goes_on_to_the_same_bits(kill_at, unbroken, tmp_path):
    with pytest.raises(KilledError):
        train(tmp_path, every_steps=2, kill_at=kill_at)
    expected = {(0, 1): [], (0, 3): [(0, 2)], (1, 2): [(1, 2), (1, 0)], (1, 4): [(1, 2), (1, 0)]}[kill_at]
    assert CheckpointFiles(tmp_path).positions() == expected

    model, losses = train(tmp_path, every_steps=2)

    weights, all_losses = unbroken
    assert losses == all_losses[-len(losses) :]
    for weight, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_checkpoint_of_another_model_or_backend_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(ValueError, match="same model and optimizer; different are .*average"):
        train(tmp_path, model=make_model(use_ema=False))

    files = CheckpointFiles(tmp_path)
    _, arrays, _ = files.read()
    files.write(Position(2, 0), arrays, {"backend": "numpy"})
    with pytest.raises(ValueError, match="KERAS_BACKEND=numpy; got"):
        train(tmp_path)


def test_full_disk_is_one_warning_and_the_training_goes_on(tmp_path, monkeypatch):
    def fail(path, tensors, metadata):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints, "write", fail)

    with pytest.warns(UserWarning, match="No checkpoint could be written .* the disk is full. There is no") as caught:
        _, losses = train(tmp_path, every_steps=1)

    assert sum("No checkpoint" in str(warning.message) for warning in caught) == 1
    assert len(losses) == 2


def test_nan_loss_stops_with_step_images_learning_rate_checkpoint_and_advice(tmp_path):
    with pytest.raises(DivergedError) as caught:
        train(tmp_path, batches=Batches(broken=2), every_steps=1)

    first, images, checkpoint, advice = str(caught.value).splitlines()
    # The rate starts at 0.1 and is halved by each step.
    assert first == ("Training needs a finite loss; got nan in step 3 (epoch 1, batch 3 of 4), at learning rate 0.025.")
    names = ", ".join(f"2-{row}.png" for row in range(10))
    assert images == f"The batch: {names} and 2 more."
    path = tmp_path / "epoch_000000_batch_00000002.safetensors"
    assert checkpoint == f"Last good checkpoint: {str(path)!r}, after the first 2 batches of epoch 1."
    assert advice == "Do better."
    assert path.is_file()


def test_weights_that_are_not_finite_are_never_written(tmp_path):
    model = make_model()
    model.set_weights([np.full_like(value, np.inf) for value in model.get_weights()])
    files = CheckpointFiles(tmp_path)
    checkpoint = TrainingCheckpoint(files, DivergenceReport(Batches(), files, str), steps_per_epoch=4)
    checkpoint.set_model(model)
    model.optimizer.build(model.trainable_variables)
    checkpoint.on_epoch_begin(0)
    checkpoint.on_train_batch_end(0)

    with pytest.raises(DivergedError, match="every weight; got others in kernel, bias in step 1"):
        checkpoint.save_now()
    assert files.positions() == []
