"""TensorFlow Datasets: any of its labelled image data sets as a tf.data pipeline."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_vit.data.augmenter import Augmenter
from keras_vit.data.geometry import random_crop
from keras_vit.data.settings import LoadSettings
from keras_vit.data.share import Share
from keras_vit.preprocessing import Preprocessing, load_image

VALIDATION_NAMES = ("validation", "test")  # the first that is there is used
MAX_SHUFFLED_IMAGES = 10_000


class TfdsBatches(keras.utils.PyDataset):
    """Batches of a data set of TensorFlow Datasets, read in order by a tf.data pipeline that each epoch has anew.

    Order and random changes depend on the seed and `epoch` alone; `model.fit` counts `epoch` up. Batches are asked for
    one after the other; another one than the next starts the pipeline again, at that batch.

    Args:
        make: Takes the epoch and the first batch; returns the `tf.data.Dataset` of batches from there on.
        name: Of the data set, its version and the part, as TFDS writes it.
        num_images: Of this part.
        batch_size: Images per batch; the last batch may be smaller.
        class_names: In the order of the labels.
        preprocessing: What the images went through.

    Call:
        batches[i] -> images (batch, height, width, channels) float32, labels (batch, num_classes) float32.
    """

    def __init__(
        self,
        make: Callable[[int, int], Any],
        *,
        name: str,
        num_images: int,
        batch_size: int,
        class_names: tuple[str, ...],
        preprocessing: Preprocessing,
    ) -> None:
        super().__init__(workers=1)  # the pipeline has its own threads
        self.epoch = 0
        self.num_images = num_images
        self.batch_size = batch_size
        self.class_names = class_names
        self.preprocessing = preprocessing
        self._make = make
        self._name = name
        self._next: tuple[int, int] | None = None  # epoch and batch that the iterator gives next
        self._iterator: Iterator[tuple[np.ndarray, np.ndarray]] = iter(())

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def __len__(self) -> int:
        return -(-self.num_images // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}.")
        if self._next != (self.epoch, index):
            self._iterator = self._make(self.epoch, index).as_numpy_iterator()
        self._next = (self.epoch, index + 1)
        return next(self._iterator)

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def facts(self) -> dict[str, Any]:
        """Returns what identifies the images: data set, classes and number; plain data."""
        return {"data set": self._name, "classes": ", ".join(self.class_names), "number of images": self.num_images}


def load_tfds(name: str, settings: LoadSettings) -> tuple[Any, Any]:
    """Returns (train, validation) as `TfdsBatches`; works under every Keras backend, and downloads on first use.

    Images pass through the same Preprocessing and Augmentation as those of a folder, in `tf.numpy_function`. A data set
    without "validation" and "test" gives the last part of "train" to validation. Several processes read an even part of
    each split, with as many batches in each.

    Args:
        name: As `tfds.load` takes it, for example "cifar10" or "imagenet_v2/matched-frequency".
        settings: As given to `keras_vit.data.load`; `strict` has no meaning here.

    Raises:
        ValueError: The name is unknown, or the data set has no image with one class label.
        ImportError: The extra `tfds` isn't installed.
    """
    if settings.train_fraction < 1:
        raise ValueError(
            f"tfds:{name} needs train_fraction=1; got {settings.train_fraction}. Digits and folders take less."
        )
    try:
        import tensorflow  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError("Reading TFDS data needs an extra: pip install 'keras3-vit[tfds]'") from error
    builder = _find_builder(tfds, name)
    keys, class_names = _labelled_image(tfds, builder, name)
    builder.download_and_prepare()
    splits = _splits(builder, settings.validation_fraction, name)
    return tuple(
        _pipeline(tfds, builder, split, keys, class_names, settings, is_training=part == 0)
        for part, split in enumerate(splits)
    )


def _find_builder(tfds: Any, name: str) -> Any:
    try:
        return tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name, known, n=3)
        suggestion = f" Did you mean {' or '.join(f'tfds:{match}' for match in close)}?" if close else ""
        raise ValueError(f"TensorFlow Datasets knows no data set {name!r}.{suggestion}") from error


def _labelled_image(tfds: Any, builder: Any, name: str) -> tuple[tuple[str, str], tuple[str, ...]]:
    """Returns the keys of the image and its label, and the class names."""
    features = builder.info.features
    keys = builder.info.supervised_keys or ("image", "label")
    if len(keys) != 2 or not all(isinstance(key, str) and key in features for key in keys):
        raise ValueError(f"tfds:{name} needs an image and a label; it has the features {sorted(features)}.")
    image, label = (features[key] for key in keys)
    if not isinstance(image, tfds.features.Image) or not isinstance(label, tfds.features.ClassLabel):
        kinds = f"{keys[0]}: {type(image).__name__}, {keys[1]}: {type(label).__name__}"
        raise ValueError(f"tfds:{name} needs an image and one class label to each; got {kinds}.")
    return keys, tuple(label.names)


def _splits(builder: Any, validation_fraction: float, name: str) -> tuple[str, str]:
    names = set(builder.info.splits) or {"train", "test"}  # `tfds.testing.mock_data` knows none and takes any
    if "train" not in names:
        raise ValueError(f"tfds:{name} needs a split called 'train'; it has {sorted(names)}.")
    for validation in VALIDATION_NAMES:
        if validation in names:
            return "train", validation
    percent = round(100 * (1 - validation_fraction))
    return f"train[:{percent}%]", f"train[{percent}%:]"


def _pipeline(
    tfds: Any,
    builder: Any,
    split: str,
    keys: tuple[str, str],
    class_names: tuple[str, ...],
    settings: LoadSettings,
    *,
    is_training: bool,
) -> Any:
    import tensorflow as tf

    preprocessing = settings.preprocessing or Preprocessing()
    shape = (*preprocessing.image_size, preprocessing.num_channels)
    augmentation = settings.augmentation if is_training else None
    crop = augmentation.crop if augmentation else None
    share = Share.current()
    rows = share.batch_size(settings.batch_size)
    augmenter = Augmenter(augmentation, preprocessing, rows) if augmentation else None

    def fit_image(image: np.ndarray, seed: np.int64) -> np.ndarray:
        if crop is None:
            return preprocessing.resize_and_crop(image)
        pixels = load_image(image, preprocessing.num_channels)
        return random_crop(pixels, crop, preprocessing, np.random.default_rng(seed))

    def finish(images: np.ndarray, labels: np.ndarray, seed: np.int64) -> tuple[np.ndarray, np.ndarray]:
        if augmenter is not None:
            images, labels = augmenter(images, labels, np.random.default_rng(seed))
        return preprocessing.normalise(images), labels

    def map_image(example: Any, seed: Any) -> tuple[Any, Any]:
        image = tf.ensure_shape(tf.numpy_function(fit_image, [example[keys[0]], seed], tf.uint8), shape)
        return image, tf.one_hot(example[keys[1]], len(class_names))

    def map_batch(batch: tuple[Any, Any], seed: Any) -> tuple[Any, Any]:
        images, labels = tf.numpy_function(finish, [*batch, seed], (tf.float32, tf.float32))
        return tf.ensure_shape(images, (None, *shape)), tf.ensure_shape(labels, (None, len(class_names)))

    if share.num_shares > 1:
        split = tfds.even_splits(split, share.num_shares, drop_remainder=True)[share.index]
    num_images = share.count(int(builder.as_dataset(split=split).cardinality()) * share.num_shares)  # of all processes
    own_images = num_images // share.num_shares

    def make(epoch: int, start: int) -> Any:
        order, file_order, image_seed, batch_seed = (
            int(seed) for seed in np.random.SeedSequence([settings.seed, epoch, share.index]).generate_state(4)
        )
        config = tfds.ReadConfig(shuffle_seed=file_order)
        examples = builder.as_dataset(split=split, shuffle_files=is_training, read_config=config)
        if is_training:
            examples = examples.shuffle(min(own_images, MAX_SHUFFLED_IMAGES), seed=order)
        examples = examples.take(own_images)
        # Order is kept, so that equal seeds give equal batches.
        seeded = tf.data.Dataset.zip(examples, tf.data.Dataset.random(image_seed)).skip(start * rows)
        images = seeded.map(map_image, settings.num_workers, deterministic=True).batch(rows)
        return tf.data.Dataset.zip(images, tf.data.Dataset.random(batch_seed).skip(start)).map(map_batch).prefetch(2)

    return TfdsBatches(
        make,
        name=f"{builder.info.full_name}:{split}",
        num_images=num_images,
        batch_size=settings.batch_size,
        class_names=class_names,
        preprocessing=preprocessing,
    )
