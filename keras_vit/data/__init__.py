"""Data sets by name: digits, folders of images and TensorFlow Datasets, as batches that `model.fit` takes."""

from keras_vit.data.augmentation import Augmentation
from keras_vit.data.batches import ImageBatches
from keras_vit.data.digits import DIGITS_PREPROCESSING
from keras_vit.data.loading import load

__all__ = ["Augmentation", "DIGITS_PREPROCESSING", "ImageBatches", "load"]
