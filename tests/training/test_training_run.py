import csv
import importlib
import io
import json
import signal
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from keras_vit import training
from keras_vit.models import ViT
from keras_vit.training import RunFolder, RunResult, RunSettings
from keras_vit.training import run as run_training
from keras_vit.training.checkpointing import TrainingCheckpoint

run_module = importlib.import_module("keras_vit.training.run")  # the name in the package is the function


@pytest.fixture(scope="module")
def settings(tiny_preset: Path) -> RunSettings:
    return RunSettings(
        preset=str(tiny_preset), epochs=2, batch_size=480, learning_rate=0.01, drop_path_rate=0.5, seed=7, license="mit"
    )


@pytest.fixture(scope="module")
def finished(settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run that went through."""
    return run_training(settings, tmp_path_factory.mktemp("runs") / "finished")


@pytest.fixture
def untrained(monkeypatch):
    """Takes the training out of a run, which keeps all that comes before and after it; seconds shorter."""

    def fit(setup, train, validation, settings, files, save, console):
        files.history_file.write_text("epoch,loss,accuracy,val_loss,val_accuracy\n0,2.3,0.1,2.3,0.125\n")
        return True

    monkeypatch.setattr(run_module, "_fit", fit)


def press_ctrl_c(monkeypatch, at: tuple[int, int]) -> None:
    """Presses Ctrl-C as a batch of an epoch ends."""
    original = TrainingCheckpoint.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        original(self, batch, logs)
        if (self.epoch, batch) == at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TrainingCheckpoint, "on_train_batch_end", on_train_batch_end)


def test_run_leaves_preset_history_curves_and_settings(finished, settings):
    folder = finished.model_folder.parent

    names = {"curves.png", "data.json", "history.csv", "model", "settings.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "model" / "curves.png").read_bytes() == (folder / "curves.png").read_bytes()
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert set(rows[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert RunFolder(folder).read_settings() == settings


def test_last_epoch_is_saved_and_reaches_the_accuracy_that_was_reported(finished):
    evaluation = training.evaluate(finished.model_folder)

    assert (finished.is_finished, finished.num_epochs, finished.model_epoch) == (True, 2, 2)
    assert finished.accuracy == RunFolder(finished.model_folder.parent).read_history()[-1]["val_accuracy"]
    assert str(finished) == f"test accuracy {evaluation}"
    assert evaluation.accuracy > 0.12  # better than chance


def test_provenance_says_how_the_weights_were_made(finished):
    provenance = ViT.from_preset(finished.model_folder).provenance

    assert provenance["license"] == "mit"
    facts = {"dataset": "digits", "num_images": 1437, "epochs": 2, "seed": 7, "label_smoothing": 0.1}
    assert facts.items() <= provenance["training"].items()
    assert provenance["training"]["command"].endswith("--seed 7 --license mit")
    assert provenance["evaluation"]["num_images"] == 360
    assert provenance["evaluation"]["accuracy"] == pytest.approx(finished.accuracy, abs=1e-6)


def test_interrupted_run_keeps_the_best_epoch_and_resumes_to_the_very_same_weights(
    settings, finished, tmp_path, monkeypatch
):
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        press_ctrl_c(patch, at=(1, 1))
        stopped = run_training(settings, tmp_path / "run")

    assert (stopped.is_finished, stopped.num_epochs, stopped.model_epoch) == (False, 1, 1)
    assert training.evaluate(stopped.model_folder).accuracy == pytest.approx(stopped.accuracy)
    assert (tmp_path / "run" / "curves.png").is_file()
    assert signal.getsignal(signal.SIGINT) is handler
    # What was reached within the epoch is kept, beside the epoch before.
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoint").iterdir())
    assert [name.partition(".")[0] for name in names] == ["epoch_000001_batch_00000000", "epoch_000001_batch_00000002"]

    # As after a power cut: rows that were written, but are not in a checkpoint. And matplotlib is missing.
    history = tmp_path / "run" / "history.csv"
    history.write_text(history.read_text() + "1,0.1,0.1,0.1,0.0,0.1\n1,0.")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = io.StringIO()
    resumed = run_training(settings, tmp_path / "run", resume=True, console=Console(file=text))

    assert (resumed.is_finished, resumed.num_epochs) == (True, 2)
    weights, others = (result.model_folder / "model.safetensors" for result in (finished, resumed))
    assert weights.read_bytes() == others.read_bytes()
    assert history.read_bytes() == (finished.model_folder.parent / "history.csv").read_bytes()
    epoch, notice = text.getvalue().splitlines()
    assert epoch.startswith("epoch 2/2  loss ")
    assert epoch.endswith(" img/s  0:00:00 left")
    # Said in one line, and no more.
    assert notice == 'no curves.png: Drawing pictures needs an extra: pip install "keras3-vit[plot]"'


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"recipe": "fine_tuning", "changes": {"ema": 0.5, "layer_decay": 0.8}},
        {"recipe": "fine_tuning", "changes": {"gradient_accumulation_steps": 2}},
        {"recipe": "linear_probe"},
        {"recipe": "lora", "changes": {"lora_rank": 2}},
        {"recipe": "deit", "teacher": "vit_digits"},
        {"recipe": "small_data", "dtype": "mixed_float16"},
    ],
    ids=["averaged", "accumulated", "probe", "lora", "distilled", "float16"],
)
def test_every_kind_of_run_resumes_within_an_epoch_to_the_very_same_weights(settings, tmp_path, monkeypatch):
    chosen = RunSettings(preset="vit_digits", epochs=2, batch_size=360, learning_rate=0.01, seed=1, **settings)
    unbroken = run_training(chosen, tmp_path / "unbroken")
    with monkeypatch.context() as patch:
        press_ctrl_c(patch, at=(1, 1))
        assert not run_training(chosen, tmp_path / "broken").is_finished

    resumed = run_training(chosen, tmp_path / "broken", resume=True)

    weights, others = (result.model_folder / "model.safetensors" for result in (unbroken, resumed))
    assert weights.read_bytes() == others.read_bytes()
    histories = [(tmp_path / name / "history.csv").read_bytes() for name in ("unbroken", "broken")]
    assert histories[0] == histories[1]


def test_run_stopped_in_its_first_epoch_has_no_model_and_can_be_resumed(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "_fit", lambda *arguments: False)
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, tmp_path / "run")

    assert not (tmp_path / "run" / "model").exists()
    assert RunFolder(tmp_path / "run").is_resumable


def test_model_that_could_not_be_saved_is_saved_by_resuming(settings, untrained, tmp_path, monkeypatch):
    def fail(self, folder):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ViT, "save_to_preset", fail)
        with pytest.raises(OSError, match="No space"):
            run_training(settings, tmp_path / "run")

    assert run_training(settings, tmp_path / "run", resume=True).is_finished
    assert ViT.from_preset(tmp_path / "run" / "model").provenance["evaluation"]["accuracy"] == 0.125


def test_resuming_with_other_images_says_what_has_changed_and_trains_nothing(settings, untrained, photos, tmp_path):
    settings = settings.replace(data=str(photos), batch_size=4)
    RunFolder(tmp_path / "run").start(settings, {"train": {"classes": "cat, cow"}})
    Path(photos, "cow").mkdir()
    Path(photos, "cat", "0.png").rename(photos / "cow" / "0.png")

    with pytest.raises(ValueError, match="(?s)needs the data set.*train: classes: cat, cow, dog now, cat, cow at the"):
        run_training(settings, tmp_path / "run", resume=True)

    assert not (tmp_path / "run" / "model").exists()


@pytest.fixture
def photos(tmp_path, rng) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(5):
            pixels = rng.integers(256, size=(12, 12)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index}.png")
    return tmp_path / "photos"


@pytest.mark.slow
def test_lora_on_layers_that_no_adapter_can_name_leaves_the_merged_model(tmp_path):
    model = ViT(image_size=8, in_channels=1, patch_size=4, embed_dim=8, depth=1, num_heads=2, order="parallel")
    preset = model.save_to_preset(tmp_path / "base")
    result = run_training(RunSettings(preset=str(preset), recipe="lora", epochs=1, batch_size=480), tmp_path / "run")
    assert ViT.from_preset(result.model_folder).config.order == "parallel"
    assert not (tmp_path / "run" / "adapter").exists()


def test_model_follows_the_data_and_the_image_size(tmp_path, tiny_preset, photos, untrained):
    settings = RunSettings(data=str(photos), preset=str(tiny_preset), image_size=(16, 8), epochs=1, batch_size=4)

    result = run_training(settings, tmp_path / "run")

    model = ViT.from_preset(result.model_folder)
    assert model.labels == ("cat", "dog")
    assert model.config.num_classes == 2
    assert model.config.image_size == model.preprocessing.image_size == (16, 8)
    assert result.num_images == 2  # a fifth of each class


def test_overwrite_replaces_a_run_once_the_new_one_can_start(settings, untrained, tmp_path):
    RunFolder(tmp_path / "run").start(settings)
    settings = settings.replace(epochs=1)
    with pytest.raises(ValueError, match="nowhere"):
        run_training(settings.replace(data="nowhere"), tmp_path / "run", overwrite=True)
    assert RunFolder(tmp_path / "run").read_settings().epochs == 2

    run_training(settings, tmp_path / "run", overwrite=True)

    assert len(RunFolder(tmp_path / "run").read_history()) == 1
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["epochs"] == 1


def test_unknown_preset_and_data_are_found_before_anything_is_written(tmp_path):
    for wrong, match in (({"preset": "vit_digit"}, "vit_digits"), ({"data": "digts"}, "digits")):
        with pytest.raises(ValueError, match=match):
            run_training(RunSettings(**wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()
