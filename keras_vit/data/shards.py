"""Tar shards as WebDataset has them: many images in each of a few large files, for data that outgrow a folder."""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit.data.settings import LoadSettings
from keras_vit.data.share import Share
from keras_vit.data.stream import Example, StreamBatches
from keras_vit.preprocessing import Preprocessing

IMAGE_FIELDS = ("jpg", "jpeg", "png", "webp")
CLASS_FIELDS = ("cls", "json")
CLASSES_FILE, SIZES_FILE = "classes.txt", "sizes.json"
VALIDATION_NAMES = ("val", "validation", "test")  # the first that is there is used
SHUFFLED_IMAGES = 2000  # held as files, undecoded: about 200 MB of ImageNet's photographs


def is_shards(name: str) -> bool:
    """Whether a data set's name means tar shards."""
    return name.endswith((".tar", ".tar.gz", ".tgz"))


def load_shards(pattern: str, settings: LoadSettings) -> tuple[StreamBatches, StreamBatches]:
    """Returns (train, validation) of tar files on this machine or on a mounted disk, read from start to end.

    Each sample is an image (`.jpg`, `.jpeg`, `.png` or `.webp`) and its class: a number in `.cls`, or "label" in
    `.json`, a number or a name. Other fields are passed over unread: nothing is ever unpickled or executed. Beside the
    shards lie `classes.txt`, one class name a line in the order of their numbers, and `sizes.json`, the images in each
    shard by the name of its file, which `write_sizes` makes.

    Training shards are divided among processes, whose epochs end together; an image may then come twice or wait for
    the next epoch. Every validation image is read exactly once.

    Args:
        pattern: Files with braces or wildcards: "shards/train-{000000..000099}.tar" or "shards/train-*.tar". If "train"
            in the name can be replaced by "val", "validation" or "test", those shards validate; otherwise the last of
            the files do.
        settings: As given to `keras_vit.data.load`; without `strict`, an unreadable image is replaced by another.

    Raises:
        ValueError: No file matches, there are fewer shards than processes, or classes or sizes are unknown.
        ImportError: The extra `shards` isn't installed.
    """
    _import()
    train, validation = _parts(pattern, settings.validation_fraction)
    class_names = _read_classes(train[0].parent / CLASSES_FILE)
    preprocessing = settings.preprocessing or Preprocessing()
    share = Share.current()
    if len(train) < share.num_shares:
        raise ValueError(
            f"Tar shards need at least one training file for each of {share.num_shares} processes; got {len(train)}."
        )
    return (
        StreamBatches(
            ShardStream(train, class_names, settings.seed, is_training=True),
            _count(train),
            class_names,
            preprocessing,
            settings,
            is_training=True,
        ),
        StreamBatches(
            ShardStream(validation, class_names, settings.seed, is_training=False),
            _count(validation),
            class_names,
            preprocessing,
            settings,
            is_training=False,
        ),
    )


class ShardStream:
    """The undecoded images of tar shards, epoch by epoch.

    Args:
        files: The shards.
        class_names: In the order of the class numbers.
        seed: Whole number >= 0 that fixes the order of every epoch.
        is_training: Whether shards are divided by process, shuffled and repeated without end.

    Call:
        stream(epoch) -> iterator of (file bytes of an image, class number).
    """

    def __init__(self, files: list[Path], class_names: tuple[str, ...], seed: int, *, is_training: bool) -> None:
        self._files = files
        self._class_numbers = {name: number for number, name in enumerate(class_names)}
        self._seed = seed
        self._is_training = is_training
        self._share = Share.current()

    def __call__(self, epoch: int) -> Iterator[Example]:
        if not self._is_training:
            yield from map(self._example, self._read(self._files))
            return
        for round_ in itertools.count():
            # All processes draw the same order, and each takes every so manieth file of it.
            order = np.random.default_rng((self._seed, epoch, round_)).permutation(len(self._files))
            files = [self._files[number] for number in order[self._share.index :: self._share.num_shares]]
            samples = self._read(files, (self._seed, epoch, round_, self._share.index))
            yield from map(self._example, samples)

    def _read(self, files: list[Path], shuffle_key: tuple[int, ...] | None = None) -> Any:
        samples = _samples(files)
        if shuffle_key is None:
            return samples
        rng = random.Random(repr(shuffle_key))
        return _import().filters.shuffle(SHUFFLED_IMAGES, initial=SHUFFLED_IMAGES, rng=rng)(samples)

    def _example(self, sample: dict[str, Any]) -> Example:
        where = f"sample {sample['__key__']!r} in {sample['__url__']}"
        image = next((sample[field] for field in IMAGE_FIELDS if field in sample), None)
        if image is None:
            raise ValueError(
                f"A tar shard needs an image in each sample, .{', .'.join(IMAGE_FIELDS)}; {where} has none."
            )
        return image, self._class_number(sample, where)

    def _class_number(self, sample: dict[str, Any], where: str) -> int:
        try:
            label = int(sample["cls"]) if "cls" in sample else json.loads(sample["json"])["label"]
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f'A tar shard needs a class in each sample, a number in .cls or "label" in .json; {where} has none.'
            ) from None
        number = self._class_numbers.get(label, -1) if isinstance(label, str) else label
        if not isinstance(number, int) or not 0 <= number < len(self._class_numbers):
            raise ValueError(
                f"A tar shard needs classes that are in {CLASSES_FILE}, 0 to {len(self._class_numbers) - 1}; {where} "
                f"has {label!r}."
            )
        return number


def write_sizes(pattern: str) -> Path:
    """Counts the images in tar shards and writes `sizes.json` beside them, once for each data set; returns its path."""
    import tarfile

    files = find_files(pattern)
    sizes_file = files[0].parent / SIZES_FILE
    sizes = json.loads(sizes_file.read_text(encoding="utf-8")) if sizes_file.is_file() else {}
    for path in files:
        with tarfile.open(path) as archive:  # reads headers, and seeks over the images
            names = (member.name for member in archive)
            sizes[path.name] = sum(name.rpartition(".")[2].lower() in IMAGE_FIELDS for name in names)
    sizes_file.write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")
    return sizes_file


def find_files(pattern: str) -> list[Path]:
    """Returns the files that a pattern with braces and wildcards names, in order.

    Raises:
        ValueError: A file isn't there, or none matches.
    """
    from braceexpand import braceexpand

    files: list[Path] = []
    for text in braceexpand(pattern):
        path = Path(text).expanduser()
        found = sorted(path.parent.glob(path.name)) if "*" in path.name or "?" in path.name else [path]
        files += [each for each in found if each.is_file()]
        if not found or not all(each.is_file() for each in found):
            raise ValueError(f"Tar shards need files on this machine; {text!r} of {pattern!r} matches none.")
    return files


def _samples(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Gives the samples of tar files as bytes by field; opened here, as webdataset would also run `pipe:` commands."""
    readers = _import().tariterators
    fields = (*IMAGE_FIELDS, *CLASS_FIELDS)
    for path in files:
        with path.open("rb") as stream:
            entries = readers.tar_file_expander(
                [{"url": str(path), "stream": stream}],
                select_files=lambda name: name.rpartition(".")[2].lower() in fields,
            )
            yield from readers.group_by_keys(entries)


def _import() -> Any:
    try:
        import webdataset
    except ImportError as error:
        raise ImportError("Reading tar shards needs an extra: pip install 'keras3-vit[shards]'") from error
    return webdataset


def _parts(pattern: str, validation_fraction: float) -> tuple[list[Path], list[Path]]:
    files = find_files(pattern)
    folder, _, name = pattern.rpartition("/")
    if "train" in name:
        # Validation has its own number of shards: numbers become a wildcard.
        stem = name.split("train")[0]
        suffix = ".tar" + name.rpartition(".tar")[2]
        for part in VALIDATION_NAMES:
            if found := sorted(Path(folder or ".").expanduser().glob(f"{stem}{part}*{suffix}")):
                return files, found
    if len(files) < 2:
        raise ValueError(f"Tar shards need two files or more, to train and to validate; {pattern!r} matches one.")
    num_train = min(max(1, round(len(files) * (1 - validation_fraction))), len(files) - 1)
    return files[:num_train], files[num_train:]


def _read_classes(path: Path) -> tuple[str, ...]:
    names = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [name.strip() for name in names if name.strip()]
    if len(names) < 2 or len(set(names)) < len(names):
        found = f"{len(names)} names, {len(set(names))} different" if path.is_file() else "no such file"
        raise ValueError(f"Tar shards need {path}: a class name a line, two or more, all different; got {found}.")
    return tuple(names)


def _count(files: list[Path]) -> int:
    path = files[0].parent / SIZES_FILE
    sizes = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    missing = [file.name for file in files if file.name not in sizes]
    if missing:
        raise ValueError(
            f"Tar shards need the number of images of each file in {path}, from which the steps of an epoch follow; it "
            f"lacks {missing[0]!r}. Count them once with keras_vit.data.write_sizes."
        )
    return sum(int(sizes[file.name]) for file in files)
