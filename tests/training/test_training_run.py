import csv
import io
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from keras_vit import training
from keras_vit.models import ViT
from keras_vit.training import RunFolder, RunResult, RunSettings
from keras_vit.training import run as run_training
from keras_vit.training.callbacks import EpochSeeds


@pytest.fixture(scope="module")
def settings(tiny_preset: Path) -> RunSettings:
    return RunSettings(
        preset=str(tiny_preset), epochs=3, batch_size=256, learning_rate=0.01, drop_path_rate=0.5, seed=7, license="mit"
    )


@pytest.fixture(scope="module")
def finished(settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run that went through."""
    return run_training(settings, tmp_path_factory.mktemp("runs") / "finished")


@pytest.fixture
def interrupt(monkeypatch):
    """Presses Ctrl-C as an epoch begins; None takes it back."""
    original = EpochSeeds.on_epoch_begin

    def at(epoch: int | None) -> None:
        def on_epoch_begin(self, begun, logs=None):
            original(self, begun, logs)
            if begun == epoch:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(EpochSeeds, "on_epoch_begin", original if epoch is None else on_epoch_begin)

    return at


def weights(result: RunResult) -> list[np.ndarray]:
    return ViT.from_preset(result.model_folder).get_weights()


def test_run_leaves_preset_history_curves_and_settings(finished, settings):
    folder = finished.model_folder.parent

    assert {path.name for path in folder.iterdir()} == {"curves.png", "history.csv", "model", "settings.json"}
    assert (folder / "model" / "curves.png").read_bytes() == (folder / "curves.png").read_bytes()
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert set(rows[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert RunFolder(folder).read_settings() == settings


def test_last_epoch_is_saved_and_reaches_the_accuracy_that_was_reported(finished):
    evaluation = training.evaluate(finished.model_folder)

    assert (finished.is_finished, finished.num_epochs, finished.model_epoch) == (True, 3, 3)
    assert finished.accuracy == RunFolder(finished.model_folder.parent).read_history()[-1]["val_accuracy"]
    assert str(finished) == f"test accuracy {evaluation}"
    assert evaluation.accuracy > 0.15  # better than chance


def test_provenance_says_how_the_weights_were_made(finished):
    provenance = ViT.from_preset(finished.model_folder).provenance

    assert provenance["license"] == "mit"
    facts = {"dataset": "digits", "num_images": 1437, "epochs": 3, "seed": 7, "label_smoothing": 0.1}
    assert facts.items() <= provenance["training"].items()
    assert provenance["training"]["command"].endswith("--seed 7 --license mit")
    assert provenance["evaluation"]["num_images"] == 360
    assert provenance["evaluation"]["accuracy"] == pytest.approx(finished.accuracy, abs=1e-6)


def test_interrupted_run_keeps_the_best_epoch_and_resumes_to_where_it_would_have_ended(
    settings, finished, tmp_path, interrupt
):
    handler = signal.getsignal(signal.SIGINT)
    interrupt(2)
    stopped = run_training(settings, tmp_path / "run")
    interrupt(None)

    accuracies = [row["val_accuracy"] for row in RunFolder(tmp_path / "run").read_history()]
    assert (stopped.is_finished, stopped.num_epochs) == (False, 2)
    assert stopped.accuracy == max(accuracies)
    assert stopped.model_epoch == 1 + accuracies.index(max(accuracies))
    assert training.evaluate(stopped.model_folder).accuracy == pytest.approx(max(accuracies))
    assert (tmp_path / "run" / "curves.png").is_file()
    assert signal.getsignal(signal.SIGINT) is handler

    # As after a power cut: rows that were written, but not backed up.
    history = tmp_path / "run" / "history.csv"
    history.write_text(history.read_text() + "2,0.1,0.1,0.1,0.0,0.1\n2,0.")
    resumed = run_training(settings, tmp_path / "run", resume=True)

    assert (resumed.is_finished, resumed.num_epochs) == (True, 3)
    for first, second in zip(weights(finished), weights(resumed), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)
    rows, others = (RunFolder(result.model_folder.parent).read_history() for result in (finished, resumed))
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=1e-4, abs=1e-6)


def test_run_stopped_in_its_first_epoch_has_no_model_and_can_be_resumed(settings, tmp_path, interrupt, monkeypatch):
    settings = settings.replace(epochs=1)
    interrupt(0)
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()
    interrupt(None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = io.StringIO()

    assert run_training(settings, tmp_path / "run", resume=True, console=Console(file=text)).is_finished

    epoch, notice = text.getvalue().splitlines()
    assert epoch.startswith("epoch 1/1  loss ")
    assert epoch.endswith(" img/s  0:00:00 left")
    # matplotlib is missing: said in one line, and no more.
    assert notice == 'no curves.png: Plotting curves needs an extra: pip install "keras3-vit[plot]"'


def test_model_that_could_not_be_saved_is_saved_by_resuming(settings, tmp_path, monkeypatch):
    def fail(self, folder):
        raise OSError("No space left on device")

    settings = settings.replace(epochs=1)
    monkeypatch.setattr(ViT, "save_to_preset", fail)
    with pytest.raises(OSError, match="No space"):
        run_training(settings, tmp_path / "run")
    monkeypatch.undo()

    result = run_training(settings, tmp_path / "run", resume=True)

    assert result.is_finished
    assert training.evaluate(result.model_folder).accuracy == pytest.approx(result.accuracy)


def test_model_follows_the_data_and_the_image_size(tmp_path, tiny_preset, rng):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(5):
            pixels = rng.integers(256, size=(12, 12)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index}.png")
    settings = RunSettings(
        data=str(tmp_path / "photos"), preset=str(tiny_preset), image_size=(16, 8), epochs=1, batch_size=4
    )

    result = run_training(settings, tmp_path / "run")

    model = ViT.from_preset(result.model_folder)
    assert model.labels == ("cat", "dog")
    assert model.config.num_classes == 2
    assert model.config.image_size == model.preprocessing.image_size == (16, 8)
    assert result.num_images == 2  # a fifth of each class


def test_overwrite_replaces_a_run_once_the_new_one_can_start(settings, tmp_path):
    RunFolder(tmp_path / "run").start(settings)
    settings = settings.replace(epochs=1)
    with pytest.raises(ValueError, match="nowhere"):
        run_training(settings.replace(data="nowhere"), tmp_path / "run", overwrite=True)
    assert RunFolder(tmp_path / "run").read_settings().epochs == 3

    run_training(settings, tmp_path / "run", overwrite=True)

    assert len(RunFolder(tmp_path / "run").read_history()) == 1
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["epochs"] == 1


def test_unknown_preset_and_data_are_found_before_anything_is_written(tmp_path):
    for wrong, match in (({"preset": "vit_digit"}, "vit_digits"), ({"data": "digts"}, "digits")):
        with pytest.raises(ValueError, match=match):
            run_training(RunSettings(**wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()
