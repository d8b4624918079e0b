"""Features computed once: a frozen model's view of a data set, on which its head alone is trained."""

from typing import Any

import keras
import numpy as np


class FeatureBatches(keras.utils.PyDataset):
    """Batches of features and labels that are in memory, for `fit` of `head_model`.

    Args:
        features: (num_images, ...) as the head's `features` gives them.
        labels: (num_images, num_classes).
        batch_size: Images per batch, > 0; the last batch may be smaller.
        class_names: In the order of the labels.
        shuffle: Whether every epoch has its own order.
        seed: Whole number >= 0.

    Call:
        batches[i] -> features (batch, ...) float32, labels (batch, num_classes) float32.
    """

    def __init__(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        *,
        batch_size: int,
        class_names: tuple[str, ...] = (),
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.epoch = 0
        self.features = features
        self.labels = labels
        self.batch_size = batch_size
        self.class_names = class_names
        self._shuffle = shuffle
        self._seed = seed

    @property
    def num_classes(self) -> int:
        return int(self.labels.shape[-1])

    @property
    def num_images(self) -> int:
        return len(self.features)

    def __len__(self) -> int:
        return -(-self.num_images // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}.")
        order = np.arange(self.num_images)
        if self._shuffle:
            order = np.random.default_rng((self._seed, self.epoch)).permutation(order)
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.features[chosen], self.labels[chosen]

    def on_epoch_end(self) -> None:
        self.epoch += 1


def cache_features(model: Any, batches: Any) -> FeatureBatches:
    """Runs a model once over a data set and keeps what its last layer, the logits, would get.

    Args:
        model: A model of this package with a head.
        batches: What `keras_vit.data.load` returns; its images are taken as they come, so that random changes of them
            are those of one epoch.
    """
    backbone = keras.Model(model.input, _features(model))
    pairs = [
        (np.asarray(backbone.predict_on_batch(np.asarray(images)), "float32"), np.asarray(labels, "float32"))
        for images, labels in batches
    ]
    features, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return FeatureBatches(
        features,
        labels,
        batch_size=getattr(batches, "batch_size", None) or len(pairs[0][0]),
        class_names=tuple(getattr(batches, "class_names", ())),
        shuffle=getattr(batches, "is_shuffled", False),
        seed=getattr(batches, "seed", 0),
    )


def head_model(model: Any) -> keras.Model:
    """Returns the last step from features to logits, with the model's own weights, as a model to be fitted."""
    features = keras.Input(_features(model).shape[1:], name="features")
    return keras.Model(features, model.get_layer("head").scores(features), name=f"{model.name}_head")


def _features(model: Any) -> Any:
    head = model.get_layer("head")
    return head.features(head.input)
