"""Streams: batches of images that come one after another from large files, for `model.fit`."""

import concurrent.futures
import io
import itertools
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_vit.data.augmenter import Augmenter
from keras_vit.data.geometry import random_crop
from keras_vit.data.settings import LoadSettings
from keras_vit.data.share import Share
from keras_vit.preprocessing import ImageError, Preprocessing, load_image

Example = tuple[bytes, int]  # a file's bytes and the class number

BATCHES_AHEAD = 2


class StreamBatches(keras.utils.PyDataset):
    """Batches of normalised images and one-hot labels from a stream, for `model.fit`, `evaluate` and plain loops.

    Batches are wanted in order; another one than the next starts the epoch anew and passes over those before it
    undecoded, so that a resumed epoch goes on where it stopped. Batches are made ahead, in threads.

    Args:
        stream: Takes an epoch, and gives the undecoded images: training ones that are this process's own, without end;
            validation ones for all processes.
        num_images: Images in an epoch, of all processes together.
        class_names: In the order of the class numbers.
        preprocessing: How images become model input.
        settings: Batch size, augmentation, seed, strictness and threads.
        is_training: Whether images are augmented and the last, smaller batch is left out.

    Call:
        batches[i] -> images (batch, height, width, channels) float32, labels (batch, num_classes) float32.
    """

    def __init__(
        self,
        stream: Callable[[int], Iterator[Example]],
        num_images: int,
        class_names: tuple[str, ...],
        preprocessing: Preprocessing,
        settings: LoadSettings,
        *,
        is_training: bool,
    ) -> None:
        super().__init__(workers=1)
        self.epoch = 0
        self.batch_size = settings.batch_size
        self.class_names = class_names
        self.preprocessing = preprocessing
        self.is_shuffled = is_training
        self._stream = stream
        self._share = Share.current()
        self._rows = self._share.batch_size(settings.batch_size)
        self.num_images = self._share.count(num_images)
        self._settings = settings
        augmentation = settings.augmentation if is_training else None
        self._crop = augmentation.crop if augmentation else None
        self._augmenter = Augmenter(augmentation, preprocessing, self._rows) if augmentation else None
        self._decoders = concurrent.futures.ThreadPoolExecutor(settings.num_workers)
        self._maker = concurrent.futures.ThreadPoolExecutor(1)
        self._position: tuple[int, int] | None = None  # epoch and number of the next batch
        self._ahead: deque[concurrent.futures.Future[tuple[np.ndarray, np.ndarray]]] = deque()
        if len(self) == 0:
            raise ValueError(
                f"Training needs a batch_size of at most the number of images; got {self.batch_size} of {num_images}."
            )

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def __len__(self) -> int:
        full, rest = divmod(self.num_images, self.batch_size)
        return full + (rest > 0 and not self.is_shuffled)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}.")
        if self._position != (self.epoch, index):
            self._start(index)
        batch = self._ahead.popleft().result()
        self._position = (self.epoch, index + 1)
        self._make(index + 1 + len(self._ahead))
        return batch

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def _start(self, index: int) -> None:
        self._ahead.clear()
        examples = self._stream(self.epoch)
        skipped = index * (self._rows if self.is_shuffled else self.batch_size)
        self._examples = itertools.islice(examples, skipped, None)
        for number in range(index, index + BATCHES_AHEAD):
            self._make(number)

    def _make(self, index: int) -> None:
        """Makes batches in a thread of their own, one after another: the stream has one reader."""
        if index < len(self):
            self._ahead.append(self._maker.submit(self._batch, self._examples, self.epoch, index))

    def _batch(self, examples: Iterator[Example], epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.is_shuffled:
            chosen = list(itertools.islice(examples, self._rows))
        else:
            size = min(self.batch_size, self.num_images - index * self.batch_size)
            chosen = self._share.rows(list(itertools.islice(examples, size)))
        rng = np.random.default_rng((self._settings.seed, epoch, index, self._share.index))
        seeds = rng.integers(2**31, size=len(chosen))
        decoded = list(self._decoders.map(self._decode, [file for file, _ in chosen], seeds))
        numbers = self._replace_unreadable(decoded)
        images = np.stack([pixels for number in numbers if (pixels := decoded[number]) is not None])
        labels = np.eye(self.num_classes, dtype=np.float32)[[chosen[number][1] for number in numbers]]
        if self._augmenter is not None:
            images, labels = self._augmenter(images, labels, rng)
        return self.preprocessing.normalise(images), labels

    def _decode(self, file: bytes, seed: int) -> np.ndarray | None:
        try:
            image = _open(file)
            if self._crop is None:
                return self.preprocessing.resize_and_crop(image)
            pixels = load_image(image, self.preprocessing.num_channels)
            return random_crop(pixels, self._crop, self.preprocessing, np.random.default_rng(seed))
        except ImageError as error:
            if self._settings.strict:
                raise
            warnings.warn(f"An image is replaced by another of its batch: {error}", stacklevel=2)
            return None

    def _replace_unreadable(self, decoded: list[np.ndarray | None]) -> list[int]:
        """Returns the number of an image for each row: its own, or the first that could be read."""
        readable = [number for number, pixels in enumerate(decoded) if pixels is not None]
        if not readable:
            raise ImageError("A batch needs an image that can be read; all of its files are broken.")
        return [readable[0] if pixels is None else number for number, pixels in enumerate(decoded)]


def _open(file: bytes) -> Any:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(file)) as image:
            image.load()
            return image
    except MemoryError:
        raise
    except Exception as error:  # PIL's decoders raise a dozen types; each means that this file is broken
        raise ImageError(f"Can't read an image of {len(file)} bytes: {error}.") from error
