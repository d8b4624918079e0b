"""Preprocessing: turns image files, PIL images and arrays into model input."""

from keras_vit.preprocessing.images import ImageError, load_image
from keras_vit.preprocessing.record import Preprocessing

__all__ = ["ImageError", "Preprocessing", "load_image"]
