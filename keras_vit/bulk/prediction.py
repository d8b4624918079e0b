"""A model over all images of a folder: streams them through, and writes one table."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit.bulk.decoding import Decoded, decode_ahead, in_batches
from keras_vit.bulk.job import BulkJob
from keras_vit.bulk.listing import iterate_images
from keras_vit.bulk.progress import BulkProgress
from keras_vit.bulk.tables import TABLES, Row, Table
from keras_vit.models import from_preset
from keras_vit.preprocessing import ImageError

_PART_IMAGES = 4096  # about; a part is whole batches, so that a resumed run makes the same ones


@dataclasses.dataclass(frozen=True, kw_only=True)
class BulkResult:
    """What a prediction in bulk did."""

    path: Path
    num_images: int  # rows of the table
    num_errors: int  # of those that this process read
    num_resumed: int  # rows that an earlier process had made

    def __str__(self) -> str:
        text = f"{self.path}: {self.num_images:,} images"
        return text + (f", {self.num_errors:,} of them unreadable" if self.num_errors else "")


def predict_folder(
    model: Any,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    features: bool = False,
    top: int = 1,
    batch_size: int = 64,
    num_workers: int = 2,
    resume: bool = True,
    overwrite: bool = False,
    strict: bool = False,
    console: Any = None,
) -> BulkResult:
    """Writes one row per image below a folder: its classes, or its features.

    Memory stays the same however many images there are. Killed at any moment and called again, it goes on after the
    last complete part and ends with the same file. Until then the parts are in the folder OUT.parts.

    Args:
        model: A model of this package, or the name or folder of its preset.
        folder: Whose images, at any depth.
        out: File NAME.csv or NAME.parquet. Columns: path (relative to `folder`); label and probability, or label_1,
            probability_1, label_2, ... with `top` > 1, or with `features` the vector before the logits (Parquet:
            features, a fixed-size list of float32; CSV: feature_0, feature_1, ...); error (why a file can't be read).
        features: Whether to write features instead of classes.
        top: How many classes to name, > 0.
        batch_size: Images per step, > 0.
        num_workers: Threads that read and decode images, > 0.
        resume: Whether to go on with what an earlier call left; otherwise that is an error.
        overwrite: Whether to replace the file and what an earlier call left.
        strict: Whether an unreadable image is an error instead of a row with the error.
        console: `rich.console.Console` on which progress is shown, or None.

    Raises:
        ValueError: The folder has no images, a setting is out of range, the file exists, an earlier call had other
            settings or other images, or the model has no logits.
        ImportError: Parquet needs an extra that isn't installed.
    """
    model = from_preset(model) if isinstance(model, str | os.PathLike) else model
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    _check(model, folder, out, features, {"top": top, "batch_size": batch_size, "num_workers": num_workers})
    predictor = _features_of(model) if features else model
    width = predictor.output_shape[-1]
    top = min(top, width)
    table = _table(out, features, top, width)
    job = BulkJob(out, _settings(model, folder, features=features, top=top, batch_size=batch_size))
    paths = iterate_images(folder)
    job.start(resume=resume, overwrite=overwrite)
    num_resumed = num_images = job.skip_finished(paths)
    as_values = (lambda outputs: outputs) if features else _classes(model, top)
    images = decode_ahead(
        paths, folder, model.preprocessing, num_workers=num_workers, num_ahead=batch_size + 2 * num_workers
    )
    num_errors, rows = 0, []
    with BulkProgress(console, folder, num_resumed) as progress:
        for batch in in_batches(images, batch_size):
            rows += _predict(predictor, batch, batch_size, as_values, strict)
            num_errors += sum(error is not None for _, _, error in batch)
            num_images += len(batch)
            progress.advance(len(batch))
            if len(rows) >= _PART_IMAGES:
                job.add(table, rows)
                rows = []
        if rows:
            job.add(table, rows)
    job.finish(table)
    return BulkResult(path=out, num_images=num_images, num_errors=num_errors, num_resumed=num_resumed)


def _check(model: Any, folder: Path, out: Path, features: bool, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"predict_folder needs {name} >= 1; got {count!r}.")
    if out.suffix not in TABLES:
        raise ValueError(f"predict_folder needs out to end with {' or '.join(TABLES)}; got {str(out)!r}.")
    if not folder.is_dir():
        raise ValueError(f"predict_folder needs a folder of images; {str(folder)!r} is none.")
    if next(iterate_images(folder), None) is None:
        raise ValueError(f"predict_folder needs image files; got none below {str(folder)!r}.")
    if len(model.outputs[0].shape) != 2 or not (features or model.config.num_classes):
        raise ValueError(
            "predict_folder needs a model with one vector of logits per image; got num_classes="
            f"{model.config.num_classes}, output shape {tuple(model.outputs[0].shape)}."
            + ("" if features else " Without a head, ask for features.")
        )


def _table(out: Path, features: bool, top: int, width: int) -> Table:
    if features:
        names = ["features"]
    else:
        endings = [""] if top == 1 else [f"_{rank + 1}" for rank in range(top)]
        names = [name + ending for ending in endings for name in ("label", "probability")]
    try:
        return TABLES[out.suffix](names, width if features else 0)
    except ImportError as error:
        raise ImportError('Writing Parquet needs an extra: pip install "keras3-vit[parquet]"') from error


def _settings(model: Any, folder: Path, **settings: Any) -> dict[str, Any]:
    """Returns what decides the output, as JSON gives it back."""
    digest = hashlib.sha256()
    for path, weight in sorted(model.weights_by_path().items()):
        digest.update(path.encode())
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).tobytes())
    labels = hashlib.sha256(json.dumps(model.labels).encode()).hexdigest()[:16] if model.labels else None
    everything = {
        "folder": str(folder.resolve()),
        "backend": keras.config.backend(),
        "architecture": model.config.to_dict(),
        "weights": digest.hexdigest()[:16],
        "preprocessing": model.preprocessing.to_dict(),
        "labels": labels,
        **settings,
    }
    return dict(json.loads(json.dumps(everything)))


def _features_of(model: Any) -> Any:
    """Returns a model of the vector that the logits are made from; of two tokens' vectors the mean, as timm does."""
    if not model.config.num_classes:
        return model
    head = model.get_layer("head")
    features = _HeadFeatures(head)(head.input)
    return keras.Model(model.input, features)


class _HeadFeatures(keras.layers.Layer):
    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head = head

    def call(self, tokens: Any) -> Any:
        features = self.head.features(tokens)
        return keras.ops.mean(features, axis=1) if len(features.shape) == 3 else features


def _classes(model: Any, top: int) -> Callable[[np.ndarray], Iterator[list[Any]]]:
    labels = model.labels or tuple(f"class {index}" for index in range(model.config.num_classes))

    def name(logits: np.ndarray) -> Iterator[list[Any]]:
        for row in logits.astype("float64"):
            probabilities = np.exp(row - row.max())
            probabilities /= probabilities.sum()
            best = np.argsort(-probabilities, kind="stable")[:top]
            yield [value for index in best for value in (labels[index], np.float32(probabilities[index]))]

    return name


def _predict(
    predictor: Any, batch: list[Decoded], batch_size: int, as_values: Callable[[np.ndarray], Any], strict: bool
) -> list[Row]:
    readable = [image for _, image, _ in batch if image is not None]
    if strict and len(readable) < len(batch):
        raise ImageError(next(error for _, _, error in batch if error is not None))
    values: Iterator[Any] = iter(())
    if readable:
        # Every step has one shape, and is compiled once.
        images = np.zeros((batch_size, *readable[0].shape), "float32")
        images[: len(readable)] = readable
        outputs = np.asarray(predictor.predict_on_batch(images), "float32")
        values = iter(as_values(outputs[: len(readable)]))
    return [(path, None if image is None else next(values), error) for path, image, error in batch]
