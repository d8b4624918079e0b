"""Folders of images: one sub-folder per class, split already or split here."""

import dataclasses
import os
import warnings
from pathlib import Path

import numpy as np

from keras_vit.data.batches import ImageBatches, ImageSource
from keras_vit.data.settings import LoadSettings
from keras_vit.preprocessing import ImageError, Preprocessing

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
TRAIN_NAME = "train"
VALIDATION_NAMES = ("val", "validation", "test")  # the first that is there is used

MAX_NAMES = 10  # in one message


def load_folder(folder: Path, settings: LoadSettings) -> tuple[ImageBatches, ImageBatches]:
    """Returns (train, validation) of the images under a folder.

    Classes are the sub-folders in the order of their names. Files count by their suffix, at any depth below the class;
    what starts with "." is passed over. Every file is decoded once here, in threads, because a truncated file shows
    only then: about 5 ms for a photograph of 0.3 megapixels. Nothing is decoded twice if the data set fits into memory
    (see `batches.MAX_KEPT_BYTES`); beyond that, training decodes anew in every epoch.

    Raises:
        ValueError: There are fewer than two classes, or a class without images.
        ImageError: With `strict`, a file can't be read.
    """
    listing = list_folder(folder)
    preprocessing = settings.preprocessing or Preprocessing()
    source = ImageSource(listing.files, listing.labels, listing.class_names, preprocessing)
    readable = _readable(source, folder, settings)
    train_numbers = readable if listing.num_train is None else readable[readable < listing.num_train]
    _check_classes_left(source, train_numbers)
    return source.split(*listing.split(readable, settings), settings)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The image files under a folder.

    Args:
        folder: Where they lie.
        files: Paths, those to train with first.
        labels: (num_images,) class numbers.
        class_names: In the order of the class numbers.
        num_train: Files of the training part; None where the folder isn't parted.
    """

    folder: Path
    files: list[Path]
    labels: np.ndarray
    class_names: tuple[str, ...]
    num_train: int | None

    def split(self, indices: np.ndarray, settings: LoadSettings) -> tuple[np.ndarray, np.ndarray]:
        """Returns which of these images train and which validate, by number."""
        if self.num_train is None:
            train, validation = stratified_split(
                indices, self.labels[indices], settings.validation_fraction, settings.seed
            )
        else:
            train, validation = indices[indices < self.num_train], indices[indices >= self.num_train]
        if len(validation) == 0:
            raise ValueError(
                f"Folder {self.folder} leaves no image to validate with. Each class needs 2 images or more."
            )
        return train, validation


def list_folder(folder: Path) -> Listing:
    """Returns the image files under a folder, unopened.

    Raises:
        ValueError: There are fewer than two classes, or a class without images.
    """
    train_folder, validation_folder = _parts(folder)
    class_names = _class_names(train_folder)
    files, labels = _list_images(train_folder, class_names)
    num_train = None
    if validation_folder is not None:
        num_train = len(files)
        validation_files, validation_labels = _list_validation_images(validation_folder, class_names)
        files, labels = files + validation_files, labels + validation_labels
    return Listing(folder=folder, files=files, labels=np.array(labels), class_names=class_names, num_train=num_train)


def stratified_split(
    indices: np.ndarray, labels: np.ndarray, validation_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sets aside the same share of each class: at least one image, but never the last one.

    Args:
        indices: (num_images,) numbers of the images.
        labels: (num_images,) class numbers.
        validation_fraction: Share to set aside, between 0 and 1.
        seed: Whole number >= 0; equal numbers give equal splits.

    Returns:
        (train, validation), each sorted.
    """
    rng = np.random.default_rng(seed)
    validation = []
    for label in np.unique(labels):
        members = rng.permutation(indices[labels == label])
        num_validation = max(1, round(validation_fraction * len(members)))
        validation.append(members[: min(num_validation, len(members) - 1)])
    set_aside = np.sort(np.concatenate(validation))
    return np.setdiff1d(indices, set_aside), set_aside


def _parts(folder: Path) -> tuple[Path, Path | None]:
    """Returns the folders that hold the class folders of the training and, if it is there, the validation part."""
    names = {path.name for path in _sub_folders(folder)}
    # A class may well be called "train": only a folder that holds nothing else is taken as split already.
    if TRAIN_NAME not in names or names - {TRAIN_NAME, *VALIDATION_NAMES}:
        return folder, None
    validation = next((folder / name for name in VALIDATION_NAMES if name in names), None)
    return folder / TRAIN_NAME, validation


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(path.name for path in _sub_folders(folder))
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "no sub-folder"
        raise ValueError(f"Folder {folder} needs a sub-folder of images for each of two classes or more; got {found}.")
    return names


def _list_images(folder: Path, names: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    """Returns the image files below each of these class folders, in order, and the number of each one's class."""
    files, labels, empty = [], [], []
    for label, name in enumerate(names):
        found = _image_files(folder / name)
        files += found
        labels += [label] * len(found)
        if not found:
            empty.append(str(folder / name))
    if empty:
        raise ValueError(
            f"A class folder needs image files ({', '.join(sorted(IMAGE_SUFFIXES))}); got none in {_shorten(empty)}."
        )
    return files, labels


def _list_validation_images(folder: Path, class_names: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    names = tuple(path.name for path in _sub_folders(folder))
    unknown = sorted(set(names) - set(class_names))
    if unknown:
        raise ValueError(f"Folder {folder} has classes that the training folder lacks: {_shorten(unknown)}.")
    files, labels = _list_images(folder, names)
    return files, [class_names.index(names[label]) for label in labels]


def _image_files(folder: Path) -> list[Path]:
    files = []
    for parent, sub_folders, names in os.walk(folder, followlinks=True):
        sub_folders[:] = [name for name in sub_folders if not name.startswith(".")]
        files += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    return sorted(files)


def _readable(source: ImageSource, folder: Path, settings: LoadSettings) -> np.ndarray:
    """Returns the numbers of the images that can be read, with one warning, or error, about the others."""
    has_crop = settings.augmentation is not None and settings.augmentation.crop is not None
    errors = source.decode_all(settings.num_workers, keep=not has_crop)
    if errors:
        counts = f"{len(errors)} of {len(source.items)} image files in {folder} can't be read"
        if settings.strict:
            raise ImageError(f"{counts}:" + "".join(f"\n- {error}" for error in list(errors.values())[:MAX_NAMES]))
        names = _shorten([str(source.items[index]) for index in errors])
        warnings.warn(f"{counts} and are left out: {names}. With strict=True this is an error.", stacklevel=4)
    return np.array([index for index in range(len(source.items)) if index not in errors], int)


def _check_classes_left(source: ImageSource, indices: np.ndarray) -> None:
    missing = sorted(set(range(len(source.class_names))) - set(source.labels[indices].tolist()))
    if missing:
        names = _shorten([source.class_names[label] for label in missing])
        raise ValueError(f"Every class needs an image that can be read; all files are broken in {names}.")


def _shorten(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
