"""Small models with random weights, and images for them."""

import importlib

import keras
import numpy as np
from keras import ops

from keras_vit import ViT
from keras_vit.models import catalogue

TINY = {
    "image_size": (8, 12),
    "patch_size": (4, 4),
    "embed_dim": 8,
    "depth": 3,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "num_classes": 4,
}


def make_vit(randomise, dtype=None, **changes):
    model = ViT(**{**TINY, **changes}, dtype=dtype)
    randomise(model)
    return model


def make_tiny(architecture, randomise, dtype=None):
    folder = catalogue.ARCHITECTURES[architecture].rpartition(".")[2]
    fields = importlib.import_module(f"tests.models.{folder}.configs").TINY
    model = catalogue.model_class(architecture)(**fields, dtype=dtype)
    randomise(model)
    return model


def images_for(model: keras.Model, batch: int = 2) -> np.ndarray:
    height, width = model.config.usual_size
    return np.random.default_rng(1).normal(size=(batch, height, width, model.config.in_channels)).astype("float32")


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(ops.cast(tensor, "float32")))
