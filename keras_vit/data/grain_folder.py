"""Folders of images by Grain: read by several processes, in an order that can be stored and gone on with."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit.data.augmentation import Augmentation
from keras_vit.data.augmenter import Augmenter
from keras_vit.data.batches import ImageSource
from keras_vit.data.folder import list_folder
from keras_vit.data.settings import LoadSettings
from keras_vit.data.share import Share
from keras_vit.preprocessing import Preprocessing


def grain_batches(
    folder: str | os.PathLike[str],
    *,
    preprocessing: Preprocessing | None = None,
    batch_size: int = 64,
    augmentation: Augmentation | None = None,
    validation_fraction: float = 0.2,
    seed: int = 0,
    num_workers: int = 0,
) -> tuple[Any, Any]:
    """Loads a folder of images by Grain, for millions of files: nothing is kept or opened before it is needed.

        train, validation = keras_vit.data.grain_batches("photos", preprocessing=model.preprocessing, num_workers=8)
        model.fit(train, steps_per_epoch=train.num_steps, validation_data=validation, epochs=10)

    Training batches go on without end, every pass over the images in its own order; a process of a
    `keras.distribution` reads its own share of the images. `iter(train)` has `get_state` and `set_state`, with which a
    plain loop, or Orbax, goes on at the very batch where it stopped.

    Args:
        folder: As `load` takes it: one sub-folder per class, or `train` and `val` that hold such sub-folders.
        preprocessing: How images become model input; by default `Preprocessing()`.
        batch_size: Images per batch, of all processes together, > 0.
        augmentation: Random changes to training images; none by default.
        validation_fraction: As in `load`.
        seed: Whole number >= 0 that fixes the split, the order and the augmentation.
        num_workers: Processes that decode images, >= 0; 0 decodes in threads of this one. With more, a script needs
            `if __name__ == "__main__":` around what it does, and Grain complains on stderr at the end of a
            program whose iterator was not closed (`iterator.close()`).

    Returns:
        (train, validation): `grain.IterDataset`s of (images, labels) as in `load`, with `class_names`, `num_classes`,
        `num_images` and `num_steps`, the batches in a pass. Training leaves out a smaller last batch.

    Raises:
        ValueError: As `load`; or there are fewer images than `batch_size`.
        ImageError: An image can't be read, when it is its turn.
        ImportError: The extra `grain` isn't installed.
    """
    try:
        import grain
    except ImportError as error:
        raise ImportError("Reading images by Grain needs an extra: pip install 'keras3-vit[grain]'") from error
    settings = LoadSettings(
        preprocessing=preprocessing,
        batch_size=batch_size,
        augmentation=augmentation,
        validation_fraction=validation_fraction,
        seed=seed,
        strict=True,
        num_workers=max(1, num_workers),
    )
    listing = list_folder(Path(folder).expanduser())
    parts = listing.split(np.arange(len(listing.files)), settings)
    return tuple(
        _pipeline(grain, listing, part, settings, num_workers, is_training=number == 0)
        for number, part in enumerate(parts)
    )


def _pipeline(
    grain: Any, listing: Any, indices: np.ndarray, settings: LoadSettings, num_workers: int, *, is_training: bool
) -> Any:
    share = Share.current()
    rows = share.batch_size(settings.batch_size)
    num_images = share.count(len(indices))
    full, rest = divmod(num_images, settings.batch_size)
    num_steps = full + (rest > 0 and not is_training)
    if num_steps == 0:
        raise ValueError(
            f"Training needs a batch_size of at most the number of images; got {settings.batch_size} of {num_images}."
        )
    augmentation = settings.augmentation if is_training else None
    preprocessing = settings.preprocessing or Preprocessing()
    decode = _Decode(listing, preprocessing, augmentation.crop if augmentation else None)
    examples = grain.MapDataset.source(indices.tolist()).seed(settings.seed)
    if is_training:
        examples = examples.shuffle()
    # Strided, so that processes see the same number of images, and together every one.
    examples = examples[share.index : num_images : share.num_shares]
    if is_training:
        examples = examples.repeat()  # each pass shuffles anew
    examples = examples.random_map(decode)
    # A last batch of all processes may be smaller; each holds an equal part of it.
    examples = examples.batch(rows, drop_remainder=False)
    batches = examples.to_iter_dataset()
    if num_workers:
        from absl import flags

        if not flags.FLAGS.is_parsed():  # Grain reads its own flags, which only absl's main function parses
            flags.FLAGS.mark_as_parsed()
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers))
    augmenter = Augmenter(augmentation, preprocessing, rows) if augmentation else None
    finish = _Finish(augmenter, preprocessing, len(listing.class_names))
    batches = batches.seed(settings.seed + 1).random_map(finish)
    batches.class_names = listing.class_names
    batches.num_classes = len(listing.class_names)
    batches.num_images = num_images
    batches.num_steps = num_steps
    batches.preprocessing = preprocessing
    return batches


class _Decode:
    """Number of an image -> its pixels and class; sent to the processes that decode."""

    def __init__(self, listing: Any, preprocessing: Any, crop: tuple[float, float] | None) -> None:
        self.files, self.labels, self.class_names = listing.files, listing.labels, listing.class_names
        self.preprocessing, self.crop = preprocessing, crop

    def __call__(self, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.int64]:
        # Keeps no pixels: the images are more than memory holds.
        source = ImageSource([self.files[number]], self.labels[[number]], self.class_names, self.preprocessing)
        pixels = source.pixels(0) if self.crop is None else source.cropped(0, self.crop, rng)
        return pixels, self.labels[number]


class _Finish:
    """Batch of pixels and classes -> augmented, normalised images and one-hot labels."""

    def __init__(self, augmenter: Augmenter | None, preprocessing: Any, num_classes: int) -> None:
        self.augmenter, self.preprocessing, self.num_classes = augmenter, preprocessing, num_classes

    def __call__(self, batch: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        images, numbers = batch
        labels = np.eye(self.num_classes, dtype=np.float32)[numbers]
        if self.augmenter is not None:
            images, labels = self.augmenter(images, labels, rng)
        return self.preprocessing.normalise(images), labels
