"""Small models with random weights, and images for them."""

import functools
import importlib

import keras
import numpy as np
from keras import ops

from keras_vit import ViT
from keras_vit.models import catalogue
from tests.layers.checks import randomise

TINY = {
    "image_size": (8, 12),
    "patch_size": (4, 4),
    "embed_dim": 8,
    "depth": 3,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "num_classes": 4,
}


@functools.cache
def make_vit(**changes):
    """A tiny ViT with all weights random; equal arguments give the same model, which tests must leave as it is."""
    return _make(ViT, TINY | changes)


@functools.cache
def make_tiny(architecture, dtype=None):
    """The tiny model of an architecture's own tests, likewise."""
    folder = catalogue.ARCHITECTURES[architecture].rpartition(".")[2]
    fields = importlib.import_module(f"tests.models.{folder}.configs").TINY
    return _make(catalogue.model_class(architecture), {**fields, "dtype": dtype})


def _make(model_class, fields):
    model = model_class(**fields)
    randomise(model)
    return model


def images_for(model: keras.Model, batch: int = 2) -> np.ndarray:
    height, width = model.config.usual_size
    return np.random.default_rng(1).normal(size=(batch, height, width, model.config.in_channels)).astype("float32")


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(ops.cast(tensor, "float32")))
