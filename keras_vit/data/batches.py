"""Batches: reads the images of a data set, shuffles and augments them, and serves them to `model.fit`."""

import concurrent.futures
import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_vit.data.augmentation import Augmentation
from keras_vit.data.augmenter import Augmenter
from keras_vit.data.fingerprint import image_facts
from keras_vit.data.geometry import random_crop
from keras_vit.data.settings import LoadSettings
from keras_vit.data.share import Share
from keras_vit.data.subsets import stratified_subset
from keras_vit.preprocessing import ImageError, Preprocessing, load_image
from keras_vit.preprocessing.images import ImageLike

# Decoded images of one data set are kept in memory up to this size: about 7000 of 224 x 224 x 3.
MAX_KEPT_BYTES = 2**30


class ImageSource:
    """All images of a data set, by number: decoded once and kept if they fit into memory, else decoded on every use.

    Args:
        items: Paths or arrays.
        labels: (num_images,) class numbers.
        class_names: In the order of the class numbers.
        preprocessing: Sets the size of the decoded images.
    """

    def __init__(
        self,
        items: Sequence[ImageLike],
        labels: np.ndarray,
        class_names: tuple[str, ...],
        preprocessing: Preprocessing,
    ) -> None:
        self.items = items
        self.labels = np.asarray(labels)
        self.class_names = class_names
        self.preprocessing = preprocessing
        shape = (len(items), *preprocessing.image_size, preprocessing.num_channels)
        # Memory is taken up page by page, as images are stored.
        self._kept = np.empty(shape, np.uint8) if np.prod(shape) <= MAX_KEPT_BYTES else None
        self._is_kept = np.zeros(len(items), bool)

    def pixels(self, index: int) -> np.ndarray:
        """Returns one image as (height, width, channels) uint8, before normalisation."""
        if self._kept is not None and self._is_kept[index]:
            return self._kept[index]
        pixels = self.preprocessing.resize_and_crop(self.items[index])
        if self._kept is not None:
            self._kept[index] = pixels
            self._is_kept[index] = True  # after the pixels: other threads read without a lock
        return pixels

    def cropped(self, index: int, area: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
        """Returns a random part of the full-resolution image, resized; decoded anew, as crops need all pixels."""
        pixels = load_image(self.items[index], self.preprocessing.num_channels)
        return random_crop(pixels, area, self.preprocessing, rng)

    def decode_all(self, num_workers: int, *, keep: bool) -> dict[int, ImageError]:
        """Decodes every image once, in threads; returns what is wrong with those that can't be read, by number."""

        def decode(index: int) -> ImageError | None:
            try:
                if keep and self._kept is not None:
                    self.pixels(index)
                else:
                    load_image(self.items[index], self.preprocessing.num_channels)
            except ImageError as error:
                return error
            return None

        with concurrent.futures.ThreadPoolExecutor(num_workers) as threads:
            results = list(threads.map(decode, range(len(self.items))))
        return {index: error for index, error in enumerate(results) if error is not None}

    def split(
        self, train: np.ndarray, validation: np.ndarray, settings: LoadSettings, *, num_workers: int | None = None
    ) -> tuple["ImageBatches", "ImageBatches"]:
        """Returns batches of the images with these numbers: the first shuffled and augmented, the second plain."""
        workers = num_workers or settings.num_workers
        if settings.train_fraction < 1:
            train = stratified_subset(train, self.labels[train], settings.train_fraction, settings.seed)
        return (
            ImageBatches(
                self,
                train,
                batch_size=settings.batch_size,
                augmentation=settings.augmentation,
                seed=settings.seed,
                shuffle=True,
                num_workers=workers,
            ),
            ImageBatches(self, validation, batch_size=settings.batch_size, num_workers=workers),
        )


class ImageBatches(keras.utils.PyDataset):
    """Batches of normalised images and one-hot labels, for `model.fit`, `evaluate` and plain loops.

    The order of an epoch and the random changes to a batch depend on `seed`, `epoch` and the number of the batch
    alone, whichever thread makes it. `model.fit` counts `epoch` up, and by default also shuffles whole batches with
    Python's `random`; to repeat a run exactly, call `keras.utils.set_random_seed` or pass `shuffle=False` to `fit`.

    Made under a `keras.distribution`, they serve this process's rows of each batch, and all processes together what
    one would: see `Share`.

    Args:
        source: The images.
        indices: Numbers of the images that belong to this part.
        batch_size: Images per batch, of all processes together, > 0; the last batch may be smaller.
        augmentation: Random changes, or None.
        shuffle: Whether every epoch has its own order.
        seed: Whole number >= 0.
        num_workers: Threads that make batches. One is quickest for images in memory: Keras spends 0.1 s per epoch
            on starting and stopping more.

    Call:
        batches[i] -> images (batch, height, width, channels) float32, labels (batch, num_classes) float32.
    """

    def __init__(
        self,
        source: ImageSource,
        indices: np.ndarray,
        *,
        batch_size: int,
        augmentation: Augmentation | None = None,
        shuffle: bool = False,
        seed: int = 0,
        num_workers: int = 1,
    ) -> None:
        super().__init__(workers=num_workers)
        self.epoch = 0
        self.batch_size = batch_size
        self.class_names = source.class_names
        self.preprocessing = source.preprocessing
        self._source = source
        self._indices = indices
        self._share = Share.current()
        self._share.batch_size(batch_size)  # raises early
        if not shuffle and (left_out := len(indices) - self.num_images):
            warnings.warn(
                f"{left_out} of {len(indices)} images are left out: {self._share.num_replicas} devices need equal "
                "parts.",
                stacklevel=2,
            )
        self.is_shuffled = shuffle
        self.seed = seed
        self._crop = augmentation.crop if augmentation else None
        self._augmenter = Augmenter(augmentation, source.preprocessing, batch_size) if augmentation else None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def num_images(self) -> int:
        return self._share.count(len(self._indices))

    def __len__(self) -> int:
        return -(-self.num_images // self.batch_size)

    def image_name(self, position: int) -> str:
        """Returns the path of an image, or "image NUMBER"; positions count through unshuffled data."""
        return self._name(self._indices[position])

    def names_of_batch(self, index: int) -> list[str]:
        """Returns the paths of the images in a batch of this epoch, or "image NUMBER"."""
        return [self._name(number) for number in self._chosen(index)]

    def facts(self) -> dict[str, Any]:
        """Returns what identifies the images: classes, counts, names and sizes; plain data."""
        items = [self._source.items[number] for number in self._indices]
        return image_facts(items, self._source.labels[self._indices], self.class_names)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}.")
        chosen = self._share.rows(self._chosen(index))
        rng = np.random.default_rng((self.seed, self.epoch, index, self._share.index))
        if self._crop is None:
            images = np.stack([self._source.pixels(number) for number in chosen])
        else:
            images = np.stack([self._source.cropped(number, self._crop, rng) for number in chosen])
        labels = np.eye(self.num_classes, dtype=np.float32)[self._source.labels[chosen]]
        if self._augmenter is not None:
            images, labels = self._augmenter(images, labels, rng)
        return self.preprocessing.normalise(images), labels

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def _name(self, number: int) -> str:
        item = self._source.items[number]
        return os.fspath(item) if isinstance(item, str | os.PathLike) else f"image {number}"

    def _chosen(self, index: int) -> np.ndarray:
        order = self._order()[: self.num_images]
        return order[index * self.batch_size : (index + 1) * self.batch_size]

    def _order(self) -> np.ndarray:
        if not self.is_shuffled:
            return self._indices
        return np.random.default_rng((self.seed, self.epoch)).permutation(self._indices)
