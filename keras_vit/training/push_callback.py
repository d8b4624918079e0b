"""Keras callback that publishes the best model so far while the training goes on."""

import shutil
import tempfile
import threading
import warnings
import weakref
from pathlib import Path
from typing import Any

import keras

from keras_vit import hub
from keras_vit.models import preset_folder

_MODES = ("auto", "max", "min")


class PushToHub(keras.callbacks.Callback):
    """Publishes the model after each epoch that is better than all before, and never stops the training for it.

    The model is written at the end of the epoch and uploaded while the next one trains. Where that fails, one warning
    says so; the next improvement is the next try, and the end of the training the last. A model that could not be
    published is kept in a folder, which a warning names.

    Args:
        repository: "owner/name" or "hf://owner/name"; made where there is none.
        monitor: What has to improve, as named in the logs of an epoch. Where no epoch has it, the model at the end of
            the training is published.
        mode: "max" or "min": which values are better; "auto" takes "min" for names with "loss" or "error".
        in_background: False makes the training wait for each upload.
        timeout: Seconds after which an upload that is waited for counts as failed; the last one always is.
        private: As in `push_to_hub`; likewise those below.
        revision: Branch; None means the main one.
        token: Access token; None takes the one that is logged in.
        endpoint: Address of the Hub; None takes the usual one.
        license: Licence of the weights where none is recorded.
        keras_files: Whether to add Keras' own files.

    Raises:
        ValueError: An argument is wrong, or the licence of the weights is unknown; before the first epoch.
    """

    def __init__(
        self,
        repository: str,
        monitor: str = "val_accuracy",
        *,
        mode: str = "auto",
        in_background: bool = True,
        timeout: float = 1800.0,
        private: bool | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        endpoint: str | None = None,
        license: str | None = None,  # noqa: A002
        keras_files: bool = True,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ValueError(f"PushToHub needs mode to be one of {', '.join(_MODES)}; got {mode=}.")
        self.repo_id = hub.check_target(repository, revision=revision, token=token)
        self.monitor = monitor
        self.is_lower_better = mode == "min" or (mode == "auto" and any(word in monitor for word in ("loss", "error")))
        self.in_background = in_background
        self.timeout = timeout
        self.license = license
        self.keras_files = keras_files
        self.best: float | None = None
        self.published: hub.Upload | None = None  # the latest
        self._request = {"private": private, "revision": revision, "token": token, "endpoint": endpoint}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.model.provenance = hub.resolve_licence(self.model.provenance, self.license)
        self._temporary = Path(tempfile.mkdtemp(prefix="keras_vit-"))
        # Also where Ctrl-C ends the training.
        self._remove_temporary = weakref.finalize(self, shutil.rmtree, self._temporary, ignore_errors=True)
        self._waiting: _Snapshot | None = None  # to be uploaded
        self._failed: _Snapshot | None = None  # could not be uploaded, and is still the best
        self._running: _Snapshot | None = None
        self._num_written = 0
        self._warned: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._take_result(0)
        value = (logs or {}).get(self.monitor)
        if value is None:
            known = ", ".join(logs or {})
            self._warn_once(
                "monitor",
                f"PushToHub needs monitor={self.monitor!r} in the logs; got {known}. Without it only the model "
                "at the end of the training is published.",
            )
        elif self._is_better(float(value)):
            self.best = float(value)
            self._write(f"Epoch {epoch + 1}: {self.monitor} {self.best:.4g}")
        self._upload()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._take_result(self.timeout)
        if self.best is None:
            self._write("End of the training")
        if self._waiting is None:
            self._waiting, self._failed = self._failed, None
        self._upload()
        self._take_result(self.timeout)
        if self._failed is not None:
            kept = Path(tempfile.mkdtemp(prefix="keras_vit-"), self.repo_id.split("/")[1])
            shutil.move(self._failed.folder, kept)
            warnings.warn(
                f"PushToHub could not publish the best model: {self._failed.error} It is kept in {kept}; publish it "
                f"with keras_vit.upload_preset({self.repo_id!r}, {str(kept)!r}).",
                UserWarning,
                stacklevel=2,
            )
        self._remove_temporary()

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return value == value  # NaN is not
        return value < self.best if self.is_lower_better else value > self.best

    def _write(self, message: str) -> None:
        """Writes the model as it is now, to be uploaded instead of what could not be uploaded yet."""
        self._num_written += 1
        folder = self._temporary / str(self._num_written)
        try:
            preset_folder.save(self.model, folder, has_keras_files=self.keras_files, repo_id=self.repo_id)
        except (OSError, ValueError) as error:  # the disk is full, or a weight is not finite
            self._warn_once("write", f"PushToHub could not write the model: {error}")
            return
        for older in (self._waiting, self._failed):
            if older is not None:
                older.remove()
        self._failed, self._waiting = None, _Snapshot(folder, message)

    def _upload(self) -> None:
        """Starts to upload what is waiting, unless an upload is under way."""
        if self._waiting is None or self._running is not None:
            return
        self._running, self._waiting = self._waiting, None
        self._running.start(self.repo_id, license=self.license, **self._request)
        if not self.in_background:
            self._take_result(self.timeout)

    def _take_result(self, seconds: float) -> None:
        """Notes how the upload under way ended; one that has not ended after these seconds goes on, or has failed."""
        snapshot = self._running
        if snapshot is None or not (snapshot.has_ended(seconds) or seconds):
            return
        self._running = None
        if snapshot.result is not None:
            self.published = snapshot.result
            snapshot.remove()
            return
        self._warn_once("upload", f"PushToHub: {snapshot.error} It tries again at the next improvement and at the end.")
        if self._waiting is None:
            self._failed = snapshot
        else:  # a better one is there
            snapshot.remove()

    def _warn_once(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(message, UserWarning, stacklevel=3)


class _Snapshot:
    """A folder of the model at one epoch, and its upload in a thread."""

    def __init__(self, folder: Path, message: str) -> None:
        self.folder = folder
        self.message = message
        self.result: hub.Upload | None = None
        self.error: Exception = TimeoutError("the Hub took too long.")

    def start(self, repo_id: str, **request: Any) -> None:
        # A daemon: a Hub that hangs must not keep the program from ending, and half an upload is never visible.
        self._thread = threading.Thread(target=self._run, args=(repo_id, request), daemon=True)
        self._thread.start()

    def has_ended(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, repo_id: str, request: dict[str, Any]) -> None:
        try:
            self.result = hub.upload_preset(repo_id, self.folder, commit_message=self.message, **request)
        except Exception as error:  # whatever it is, the training matters more
            self.error = error
