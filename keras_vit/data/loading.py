"""Loading by name: finds which kind of data set a name means, and hands over to its module."""

import difflib
import os
from pathlib import Path
from typing import Any

from keras_vit.data.augmentation import Augmentation
from keras_vit.data.digits import load_digits
from keras_vit.data.folder import load_folder
from keras_vit.data.settings import LoadSettings
from keras_vit.data.shards import is_shards, load_shards
from keras_vit.data.tfds import load_tfds
from keras_vit.preprocessing import Preprocessing

TFDS_PREFIX = "tfds:"


def load(
    name: str | os.PathLike[str] = "digits",
    *,
    preprocessing: Preprocessing | None = None,
    batch_size: int = 64,
    augmentation: Augmentation | None = None,
    validation_fraction: float = 0.2,
    seed: int = 0,
    strict: bool = False,
    num_workers: int = 2,
    train_fraction: float = 1.0,
) -> tuple[Any, Any]:
    """Loads a data set as training and validation batches for `model.fit`, on every backend.

    Args:
        name: "digits": 1797 grey digits of 8 x 8 pixels from scikit-learn, offline, split once and for all into 1437 to
            train and 360 to validate. A folder: one sub-folder per class, or `train` and `val` (or `validation`, or
            `test`) that hold such sub-folders; a folder whose own name is "digits" is "./digits". "tfds:NAME": a data
            set of TensorFlow Datasets, downloaded on first use. "shards/train-{000000..000099}.tar": tar shards, see
            `shards.load_shards`.
        preprocessing: How images become model input, usually `model.preprocessing`. By default `Preprocessing()`,
            and for digits `DIGITS_PREPROCESSING`.
        batch_size: Images per batch, > 0; the last batch may be smaller.
        augmentation: Random changes to training images; none by default.
        validation_fraction: Share of each class that is set aside, between 0 and 1, where the data set has no
            validation part of its own.
        seed: Whole number >= 0 that fixes the split, the order of every epoch and the augmentation.
        strict: Whether an unreadable file in a folder is an error; otherwise it is left out, and one warning names it.
        num_workers: Threads that read and decode images, > 0.
        train_fraction: Share of each class of the training part that is used, 0 < train_fraction <= 1, chosen by
            `seed`; the validation part keeps all its images. For digits and folders.

    Returns:
        (train, validation): both yield (images, labels) with images (batch, height, width, channels) float32 as the
        model takes them, and labels (batch, num_classes) float32, one-hot; both have `class_names`, `num_classes`,
        `num_images` and `len()`, the number of batches. "digits" and folders give `ImageBatches`, which need no
        TensorFlow; "tfds:NAME" gives `TfdsBatches`, tar shards `StreamBatches`. Made under a
        `keras.distribution`, each process gets its own share of the images.

    Raises:
        ValueError: An unknown name (the message suggests close ones), a setting out of range, a folder without at least
            two classes, an empty class folder, or with `strict` an unreadable file.
        ImportError: The data set needs an extra that isn't installed; the message names it.
    """
    settings = LoadSettings(
        preprocessing=preprocessing,
        batch_size=batch_size,
        augmentation=augmentation,
        validation_fraction=validation_fraction,
        seed=seed,
        strict=strict,
        num_workers=num_workers,
        train_fraction=train_fraction,
    )
    if name == "digits":
        return load_digits(settings)
    if isinstance(name, str) and name.startswith(TFDS_PREFIX):
        return load_tfds(name.removeprefix(TFDS_PREFIX), settings)
    if isinstance(name, str) and is_shards(name):
        return load_shards(name, settings)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return load_folder(folder, settings)
    raise ValueError(_explain_unknown(name, folder))


def _explain_unknown(name: str | os.PathLike[str], folder: Path) -> str:
    kinds = 'a data set is "digits", a folder of class sub-folders, or "tfds:NAME"'
    if folder.exists():
        return f"Data set {os.fspath(name)!r} is a file; {kinds}."
    neighbours = [path.name for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []
    close = [
        str(name)[: -len(folder.name)] + match if folder.name else match
        for match in difflib.get_close_matches(folder.name, neighbours, n=3)
    ]
    close = difflib.get_close_matches(str(name).lower(), ["digits"]) + close
    suggestion = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"No data set or folder {os.fspath(name)!r}; {kinds}.{suggestion}"
