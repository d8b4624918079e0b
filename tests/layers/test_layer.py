"""Calls of layers inside a model: on PyTorch directly, and by Keras wherever something depends on that."""

import gc

import keras
import numpy as np
import pytest

from keras_vit import layers
from keras_vit.layers import MLP, LayerScale
from keras_vit.layers.dense import Dense
from keras_vit.layers.layer import Layer, direct_calls
from keras_vit.models import ViT

on_pytorch = pytest.mark.skipif(keras.backend.backend() != "torch", reason="only PyTorch calls layers directly")

TINY = {"image_size": 4, "patch_size": 2, "embed_dim": 8, "depth": 2, "num_heads": 2, "num_classes": 3}


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 4, 4, 3)).astype("float32")


@pytest.fixture
def by_keras(monkeypatch):
    """The names of the layers that Keras called, in order."""
    names = []
    call = keras.layers.Layer.__call__

    def record(layer, *args, **kwargs):
        names.append(layer.name)
        return call(layer, *args, **kwargs)

    monkeypatch.setattr(keras.layers.Layer, "__call__", record)
    return names


def test_every_layer_of_the_package_has_this_base():
    public = [getattr(layers, name) for name in layers.__all__]
    classes = [each for each in public if isinstance(each, type) and issubclass(each, keras.layers.Layer)]
    assert len(classes) > 10
    assert [each.__name__ for each in classes if not issubclass(each, Layer)] == []


@on_pytorch
def test_only_the_model_itself_goes_by_keras(images, by_keras):
    model = ViT(**TINY, layer_scale_init=0.1, name="model")
    by_keras.clear()

    model(images)
    model.predict_on_batch(images)

    assert by_keras == ["model", "model"]


@on_pytorch
def test_outside_a_model_layers_go_by_keras(by_keras, rng):
    tokens = rng.normal(size=(1, 2, 4)).astype("float64")

    scaled = LayerScale(0.5, name="scale")(tokens)

    assert by_keras == ["scale"]
    assert keras.backend.standardize_dtype(scaled.dtype) == "float32"


@on_pytorch
def test_a_graph_of_the_layers_is_made_by_keras(images, by_keras):
    model = ViT(**TINY, name="model")
    by_keras.clear()

    taps = keras.Model(model.input, model.get_layer("encoder_0").output, name="taps")
    taps(images)

    assert by_keras[0] == "taps"
    assert "encoder_0" in by_keras


@on_pytorch
def test_hooks_see_what_goes_through_their_layer(images):
    import torch

    model = ViT(**TINY)
    seen = []
    handle = model.get_layer("encoder_1").mlp.expand.register_forward_hook(lambda *call: seen.append(call[2].shape))
    model(images)
    handle.remove()
    model(images)
    assert seen == [(2, 5, 32)]

    handle = torch.nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(module.name))
    model(images)
    handle.remove()
    assert {"encoder_0", "encoder_1", "norm", "head"} <= {each for each in seen if isinstance(each, str)}


@on_pytorch
def test_dropout_acts_in_training_only(images):
    model = ViT(**TINY, dropout_rate=0.5)
    expected = keras.ops.convert_to_numpy(model(images))

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(images, training=False)), expected)
    assert np.abs(keras.ops.convert_to_numpy(model(images, training=True)) - expected).max() > 1e-3


@on_pytorch
def test_training_reaches_layers_that_are_called_without_it(rng):
    class Told(Layer):
        def call(self, tokens, training=None):
            return tokens if training else tokens * 0

    tokens = keras.ops.convert_to_tensor(rng.normal(size=(1, 2, 4)).astype("float32"))
    layer = Told()
    layer.build(tokens.shape)
    for training in (True, False):
        with direct_calls(tokens, keras.DTypePolicy("float32"), training):
            outputs = layer(tokens)
        np.testing.assert_array_equal(outputs.numpy(), tokens.numpy() * training)


@on_pytorch
def test_what_is_not_settled_goes_by_keras(by_keras, rng):
    tokens = keras.ops.convert_to_tensor(rng.normal(size=(1, 2, 4)).astype("float32"))
    whole = MLP(8, name="whole", dtype="float32")
    other_dtype = Dense(4, name="other_dtype", dtype="float16")
    new = Dense(4, name="new")
    small = Dense(4, name="small")
    regularised = Dense(4, name="regularised", activity_regularizer="l2")
    for layer in (whole, other_dtype, small, regularised):
        layer.build(tokens.shape)
    small.quantize("int8")
    by_keras.clear()

    with direct_calls(tokens, keras.DTypePolicy("float32"), False):
        for layer in (whole, other_dtype, new, small, regularised):
            layer(tokens)
        whole(tokens.double())

    assert by_keras == ["other_dtype", "new", "small", "regularised", "whole", "expand", "contract"]


@on_pytorch
def test_tensors_that_stand_for_a_graph_go_by_keras(images, by_keras):
    import torch

    model = ViT(**TINY, name="model")
    by_keras.clear()

    exported = torch.export.export(model, (torch.from_numpy(images),))

    assert "encoder_0" in by_keras
    expected = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(exported.module()(torch.from_numpy(images)).detach().numpy(), expected, atol=1e-6)


@on_pytorch
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_what_is_computed_again_leaves_no_activations_for_the_garbage_collector(images, policy):
    import torch

    model = ViT(**TINY, remat=True, dtype=policy)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    labels = np.eye(3, dtype="float32")[:2]
    model.train_on_batch(images, labels)
    gc.collect()
    before = {id(each) for each in gc.get_objects() if issubclass(type(each), torch.Tensor)}  # other tests' among them
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        model.train_on_batch(images, labels)
        gc.collect()
        tensors = [each for each in gc.garbage if isinstance(each, torch.Tensor) and id(each) not in before]
        left = [each.shape for each in tensors if each.ndim > 1]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []
