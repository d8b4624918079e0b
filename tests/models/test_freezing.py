"""Freezing layers: what is frozen stays as it is in training."""

import keras
import numpy as np
import pytest

from keras_vit import ViT
from tests.models.vit.configs import TINY

IS_JAX = keras.backend.backend() == "jax"


def trainable_layers(model):
    return [layer.name for layer in model.layers if layer.trainable_weights]


def values(model):
    return {path: keras.ops.convert_to_numpy(weight.value) for path, weight in model.weights_by_path().items()}


def test_layers_up_to_the_named_one_stay_as_they_are(rng):
    model = ViT(**TINY)

    model.freeze(until="encoder_0")

    assert trainable_layers(model) == ["encoder_1", "norm", "head"]
    before = {path: value.copy() for path, value in values(model).items()}
    model.compile("sgd", "mse", jit_compile=IS_JAX)
    model.fit(rng.normal(size=(2, 8, 12, 3)).astype("float32"), np.ones((2, 3), "float32"), verbose=0)
    changed = {path.split("/")[0] for path, value in values(model).items() if (value != before[path]).any()}
    assert changed == {"encoder_1", "norm", "head"}


def test_all_but_the_head_is_frozen_and_unfrozen():
    model = ViT(**TINY)

    model.freeze()
    assert trainable_layers(model) == ["head"]

    model.unfreeze()
    assert len(model.trainable_weights) == len(model.weights)


def test_frozen_layers_survive_saving():
    model = ViT(**TINY)
    model.freeze(until="encoder_0")

    assert trainable_layers(ViT.from_config(model.get_config())) == ["encoder_1", "norm", "head"]


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="freeze needs the name of a layer, one of .*head; got until='encoder_2'"):
        ViT(**TINY).freeze(until="encoder_2")


@pytest.mark.parametrize(("fields", "until"), [({}, "head"), ({"num_classes": 0}, None), ({"num_classes": 0}, "norm")])
def test_freezing_everything_is_refused(fields, until):
    model = ViT(**{**TINY, **fields})

    with pytest.raises(ValueError, match="freeze needs to leave something to train"):
        model.freeze(until)

    assert len(model.trainable_weights) == len(model.weights)
