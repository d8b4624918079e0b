"""The augmenter: applies an Augmentation to batches, repeatably and from several threads."""

import threading
import warnings
from typing import Any

import keras
import numpy as np

from keras_vit.data.augmentation import Augmentation
from keras_vit.data.geometry import affine_matrices, warp
from keras_vit.data.rand_augment import rand_augment
from keras_vit.preprocessing import Preprocessing

# Whatever the global policies say: half precision would round pixels in 0..255.
LAYER_SETTINGS = {"dtype": "float32", "data_format": "channels_last", "seed": 0}


class Augmenter:
    """Applies all of an Augmentation but the crop, which the image source makes while it decodes.

    Keras' layers keep a random state each, so one batch at a time passes through them, and the state is set anew for
    each batch; what PIL does runs in parallel. Everything runs on the CPU and leaves the accelerator to the model.

    Args:
        augmentation: What to apply.
        preprocessing: Gives the number of channels, and the grey that erased rectangles get.
        batch_size: Most images per call. Smaller batches are filled up for Keras' layers, because JAX compiles anew,
            for seconds, for every size.

    Call:
        images: (batch, height, width, channels) uint8.
        labels: (batch, num_classes) float32, one-hot.
        rng: Seeded generator; equal states give equal results.
        Returns images and labels of the same shapes, float32, images in 0..255.

    Raises:
        ValueError: RandAugment is on, and images are neither grey nor RGB.
    """

    def __init__(self, augmentation: Augmentation, preprocessing: Preprocessing, batch_size: int) -> None:
        if augmentation.rand_augment and preprocessing.num_channels not in (1, 3):
            raise ValueError(f"rand_augment needs num_channels 1 or 3; got {preprocessing.num_channels}.")
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._layers: list[Any] = []
        self._mixers: list[Any] = []
        layers = keras.layers
        with keras.device("cpu"):
            if augmentation.horizontal_flip:
                self._layers.append(layers.RandomFlip("horizontal", **LAYER_SETTINGS))
            if rate := augmentation.random_erasing:
                # A single number would be the upper end of a random rate. The grey is about 0 after normalisation.
                grey = float(np.clip(255 * np.mean(preprocessing.mean), 0, 255))
                self._layers.append(layers.RandomErasing((rate, rate), fill_value=grey, **LAYER_SETTINGS))
            if augmentation.mixup:
                self._mixers.append(layers.MixUp(augmentation.mixup, **LAYER_SETTINGS))
            if augmentation.cutmix:
                self._mixers.append(layers.CutMix(augmentation.cutmix, **LAYER_SETTINGS))

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        images = self._move(images, rng)
        if strength := self._augmentation.rand_augment:
            images = rand_augment(images, strength, rng)
        batch = {"images": images.astype(np.float32), "labels": labels}
        layers = list(self._layers)
        if self._mixers:
            layers.append(self._mixers[rng.integers(len(self._mixers))])
        if layers:
            batch = self._run(layers, batch, rng)
        return batch["images"], batch["labels"]

    def _move(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        augmentation = self._augmentation
        if not (augmentation.translation or augmentation.rotation or augmentation.zoom):
            return images
        batch, height, width, _ = images.shape
        shifts = augmentation.translation * rng.uniform(-1, 1, (batch, 2)) * (width, height)
        angles = augmentation.rotation * rng.uniform(-1, 1, (batch,))
        scales = 1 + augmentation.zoom * rng.uniform(-1, 1, (batch,))
        return warp(images, affine_matrices(shifts, angles, scales, (height, width)))

    def _run(self, layers: list[Any], batch: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
        num_images = len(batch["labels"])
        rows = np.arange(self._batch_size) % num_images
        batch = {name: values[rows] for name, values in batch.items()}
        seeds = rng.integers(2**31, size=len(layers))
        with self._lock, keras.device("cpu"), warnings.catch_warnings():
            # MixUp asks JAX for int64, which JAX shortens and says so.
            warnings.filterwarnings("ignore", message="Explicitly requested dtype int64")
            for layer, seed in zip(layers, seeds, strict=True):
                layer.generator.state.assign(np.array([seed, 0], "uint32"))
                batch = layer(batch, training=True)
            return {name: keras.ops.convert_to_numpy(values)[:num_images] for name, values in batch.items()}
