"""The folder of a training run: what lies where, and whether a new or resumed run may use it."""

import csv
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from keras_vit.data.fingerprint import fact_differences
from keras_vit.files import write_file
from keras_vit.training.checkpoint_files import CheckpointFiles
from keras_vit.training.run_settings import RunSettings
from keras_vit.training.sharded_checkpoints import ShardedCheckpointFiles

_MAX_DIFFERENCES = 10  # in one message


class RunFolder:
    """Paths and state of one training run on disk.

        settings.json   what the run was asked to do
        data.json       what its data set looked like when it started
        history.csv     one row per finished epoch
        curves.png      the same as a picture
        model/          the preset folder: best weights so far, or the last epoch's once the run is finished
        adapter/        with the recipe lora: the adapter alone, likewise, where timm has its layers one by one
        checkpoint/     all that resuming needs; there only until the run is finished

    Args:
        path: The folder; it need not exist.
        sharded_checkpoints: The folder `checkpoint` of the first process' run, where all processes write checkpoints
            in parts. None: whole ones, in `checkpoint`.
    """

    def __init__(self, path: str | Path, sharded_checkpoints: Path | None = None) -> None:
        self.path = Path(path)
        self.settings_file = self.path / "settings.json"
        self.data_file = self.path / "data.json"
        self.history_file = self.path / "history.csv"
        self.curves_file = self.path / "curves.png"
        self.model_folder = self.path / "model"
        self.adapter_folder = self.path / "adapter"
        self.checkpoint_folder = self.path / "checkpoint"
        self.checkpoint_files = (
            CheckpointFiles(self.checkpoint_folder)
            if sharded_checkpoints is None
            else ShardedCheckpointFiles(sharded_checkpoints)
        )

    @property
    def is_run(self) -> bool:
        return self.settings_file.is_file()

    @property
    def is_resumable(self) -> bool:
        """Whether the run was started and has not finished."""
        return self.is_run and not self.is_finished

    @property
    def is_finished(self) -> bool:
        """Whether the run reached its last epoch and saved its model."""
        return self.is_run and self.model_folder.is_dir() and not self.checkpoint_folder.exists()

    def read_settings(self) -> RunSettings:
        """Returns the settings of the run that is in the folder."""
        if not self.is_run:
            raise ValueError(f"Resuming needs a folder with a training run; {str(self.path)!r} has no settings.json.")
        try:
            return RunSettings.from_dict(json.loads(self.settings_file.read_text(encoding="utf-8")))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{str(self.settings_file)!r} does not hold settings of a training run: {error}") from None

    def read_history(self) -> list[dict[str, float]]:
        """Returns one row of numbers per finished epoch, oldest first; "epoch" counts from 0."""
        if not self.history_file.is_file():
            return []
        with self.history_file.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        # The last row may be cut short if the machine stopped while it was written.
        whole = [row for row in rows if None not in row.values()]
        return [{name: float(value) for name, value in row.items()} for row in whole]

    def best_accuracy(self, *, before_epoch: int) -> float:
        """Returns the highest validation accuracy of earlier epochs whose model is there, a share; -1 without one."""
        earlier = [row["val_accuracy"] for row in self.read_history() if row["epoch"] < before_epoch]
        return max(earlier, default=-1.0) if self.model_folder.is_dir() else -1.0

    def check_new(self, *, overwrite: bool) -> None:
        """Raises where a new run must not start, and changes nothing."""
        if self.is_run and not overwrite:
            raise ValueError(
                f"{str(self.path)!r} already holds a training run. "
                "Go on with it (--resume), replace it (--overwrite) or choose another folder (--out)."
            )
        if not self.is_run and self.path.is_dir() and any(self.path.iterdir()):
            raise ValueError(f"{str(self.path)!r} holds files that are no training run. Choose another folder (--out).")
        self._check_writable()

    def check_resume(self, settings: RunSettings) -> None:
        """Raises where a run with these settings cannot go on, and changes nothing."""
        if differences := settings.differences(self.read_settings()):
            raise ValueError(
                f"Resuming needs the settings that {str(self.path)!r} was started with; different are:\n"
                + "\n".join(f"- {difference}" for difference in differences)
            )
        if self.is_finished:
            raise ValueError(
                f"The run in {str(self.path)!r} is finished: {settings.epochs} of {settings.epochs} epochs. "
                "Its model is in model/. Train anew with --overwrite or in another folder (--out)."
            )
        self._check_writable()

    def check_data(self, facts: dict[str, Any]) -> None:
        """Raises where the data set is not the one that the run was started with, and changes nothing.

        Args:
            facts: As given to `start`.
        """
        if not self.data_file.is_file():  # of a run from before there was one
            return
        try:
            before = json.loads(self.data_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{str(self.data_file)!r} does not describe a data set: {error}") from None
        if differences := fact_differences(facts, before):
            more = len(differences) - _MAX_DIFFERENCES
            raise ValueError(
                f"Resuming needs the data set that {str(self.path)!r} was started with; different are:\n"
                + "\n".join(f"- {difference}" for difference in differences[:_MAX_DIFFERENCES])
                + (f"\n- and {more} more" if more > 0 else "")
                + "\nPut the data back, or train anew with --overwrite or in another folder (--out)."
            )

    def start(self, settings: RunSettings, facts: dict[str, Any] | None = None) -> None:
        """Makes the folder ready for a new run; removes what an earlier run left.

        Args:
            settings: Of the new run.
            facts: What its data set looks like, plain data; None: unknown.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._remove_checkpoints()
        for folder in (self.model_folder, self.adapter_folder):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.history_file, self.curves_file, self.data_file):
            file.unlink(missing_ok=True)
        if facts is not None:
            write_file(self.data_file, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        # There from the start: a run that stops in its first epoch can be resumed, and is not taken for finished.
        self.checkpoint_folder.mkdir()
        # Last: killed before, the folder still is the earlier run's, without its results, or none.
        write_file(self.settings_file, json.dumps(settings.to_dict(), indent=2) + "\n")

    def finish(self) -> None:
        """Marks the run as finished: nothing is left to resume."""
        self._remove_checkpoints()

    def _remove_checkpoints(self) -> None:
        # In one step: a folder with half of its files must not be taken for a run without checkpoints.
        removed = self.path / ".checkpoint.removed"
        shutil.rmtree(removed, ignore_errors=True)
        if self.checkpoint_folder.exists():
            self.checkpoint_folder.rename(removed)
            shutil.rmtree(removed, ignore_errors=True)

    def _check_writable(self) -> None:
        existing = next(parent for parent in (self.path, *self.path.absolute().parents) if parent.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            raise OSError(f"Training needs a folder it may write to; {str(self.path)!r}: {error.strerror}.") from None
