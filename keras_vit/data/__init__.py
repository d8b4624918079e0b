"""Data sets by name: digits, folders, tar shards and TensorFlow Datasets, as batches that `model.fit` takes."""

from keras_vit.data.augmentation import Augmentation
from keras_vit.data.batches import ImageBatches
from keras_vit.data.digits import DIGITS_PREPROCESSING
from keras_vit.data.grain_folder import grain_batches
from keras_vit.data.loading import load
from keras_vit.data.shards import write_sizes

__all__ = ["Augmentation", "DIGITS_PREPROCESSING", "ImageBatches", "grain_batches", "load", "write_sizes"]
