"""Attention maps against NumPy, for every architecture, and what of a model is computed for them."""

import keras
import numpy as np
import pytest

from keras_vit.layers import TransformerEncoder
from keras_vit.models import catalogue
from keras_vit.visualize import attention_maps
from tests import numpy_reference
from tests.numpy_reference import part
from tests.visualize.models import images_for, make_tiny, make_vit, to_numpy

PREFIXES = {
    "class": ({}, 1),
    "registers": ({"num_register_tokens": 3}, 4),
    "distillation": ({"use_distillation_token": True}, 2),
    "none": ({"use_class_token": False, "pooling": "mean"}, 0),
    "registers_only": ({"use_class_token": False, "num_register_tokens": 2, "pooling": "mean"}, 2),
}


def numpy_scores(model, images, layer):
    """(batch, heads, queries, keys), in float64, from what the layer before returns."""
    tokens = to_numpy(model.features(images, layers=layer - 1))
    weights = numpy_reference.weights_of(model.get_layer(f"encoder_{layer}"))
    normed = numpy_reference.norm(tokens, part(weights, "attention_norm"))
    return numpy_reference.attention_scores(normed, part(weights, "attention"), model.config.num_heads)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_maps_equal_numpy_and_leave_prefix_tokens_out(prefix):
    changes, num_prefix = PREFIXES[prefix]
    model = make_vit(**changes)
    images = images_for(model)
    maps = attention_maps(model, images, [1, -1], "all")
    assert maps.shape == (2, 2, 2, 2, 3)
    assert maps.dtype == "float32"
    for index, layer in enumerate((1, 2)):
        scores = numpy_scores(model, images, layer)
        np.testing.assert_allclose(scores.sum(axis=-1), 1)
        rows = scores[:, :, :1] if model.config.use_class_token else scores[:, :, num_prefix:]
        expected = rows.mean(axis=2)[..., num_prefix:].reshape(2, 2, 2, 3)
        np.testing.assert_allclose(maps[:, index], expected, atol=1e-5)
        np.testing.assert_allclose(
            maps[:, index].sum(axis=(-1, -2)), 1 - rows.mean(axis=2)[..., :num_prefix].sum(-1), 1e-4
        )


def test_heads_are_averaged_chosen_or_all_there():
    model = make_vit()
    images = images_for(model)
    every = attention_maps(model, images, "all", "all")
    assert every.shape == (2, 3, 2, 2, 3)
    np.testing.assert_allclose(attention_maps(model, images, "all"), every.mean(axis=2, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(attention_maps(model, images, [2, 0], 1), every[:, [2, 0], 1:])
    np.testing.assert_array_equal(attention_maps(model, images, -2, -2), every[:, 1:2, :1])


def test_a_patch_may_look():
    model = make_vit()
    images = images_for(model)
    expected = numpy_scores(model, images, 2)[:, :, 1 + 1 * 3 + 2, 1:].reshape(2, 1, 2, 2, 3)
    np.testing.assert_allclose(attention_maps(model, images, heads="all", query=(1, 2)), expected, atol=1e-5)


@pytest.mark.parametrize("architecture", catalogue.ARCHITECTURES)
def test_every_architecture_shows_its_attention_in_half_precision_too(architecture):
    model = make_tiny(architecture, "mixed_bfloat16")
    images = images_for(model, batch=1)
    maps = attention_maps(model, images, "all")
    assert maps.shape[:3] == (1, model.config.depth, 1)
    assert maps.dtype == "float32"
    assert (maps >= 0).all()
    sums = maps.sum(axis=(-1, -2))
    assert (sums <= 1 + 1e-5).all()
    last = attention_maps(model, images)
    assert last.shape[3] <= maps.shape[3]
    np.testing.assert_allclose(last.sum(axis=(-1, -2)), sums[:, -1:], rtol=1e-4)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_shows_about_the_same(dtype):
    model, half = make_vit(), make_vit(dtype=dtype)
    images = images_for(model)
    np.testing.assert_allclose(attention_maps(half, images), attention_maps(model, images), atol=0.02)


def test_images_of_any_size_have_maps_of_their_own_grid():
    model = make_vit(image_size=None, position_grid=(2, 3))
    images = np.zeros((1, 16, 8, 3), "float32")
    assert attention_maps(model, images).shape == (1, 1, 1, 4, 2)


def test_only_the_layers_asked_for_show_attention_and_no_later_one_runs(monkeypatch):
    model = make_vit()
    shown, run = [], []
    scores, call = TransformerEncoder.attention_scores, TransformerEncoder.call
    monkeypatch.setattr(
        TransformerEncoder, "attention_scores", lambda self, *inputs: shown.append(self.name) or scores(self, *inputs)
    )
    monkeypatch.setattr(
        TransformerEncoder, "call", lambda self, *args, **kwargs: run.append(self.name) or call(self, *args, **kwargs)
    )
    images = images_for(model, batch=1)
    run.clear()
    attention_maps(model, images, layers=1)
    assert shown == ["encoder_1"]
    assert set(run) == {"encoder_0"}


def test_memory_holds_the_weights_of_one_image_and_layer(monkeypatch):
    model = make_vit()
    sizes = []
    scores = TransformerEncoder.attention_scores

    def measure(self, tokens):
        sizes.append(scores(self, tokens).shape)
        return scores(self, tokens)

    monkeypatch.setattr(TransformerEncoder, "attention_scores", measure)
    attention_maps(model, images_for(model, batch=3), layers="all")
    assert list(map(tuple, sizes)) == [(1, 2, 7, 7)] * 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 3}, r"needs layers from 0 to 2, from -3 to -1 counted from the last, or 'all'; got 3"),
        ({"layers": [0, -4]}, r"got \[0, -4\]"),
        ({"layers": []}, r"got \[\]"),
        ({"layers": "last"}, "got 'last'"),
        ({"heads": 2}, "needs heads to be 'mean', 'all' or a number from 0 to 1 for encoder_2; got 2"),
        ({"heads": "max"}, "got 'max'"),
        ({"query": (2, 0)}, r"needs a patch as \(row, column\) from \(0, 0\) to \(1, 2\); got \(2, 0\)"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(arguments, message):
    model = make_vit()
    with pytest.raises(ValueError, match=f"attention_maps .*{message}"):
        attention_maps(model, images_for(model, batch=1), **arguments)


@pytest.mark.parametrize("shape", [(8, 12, 3), (1, 12, 8, 3), (1, 8, 12, 1), (0, 8, 12, 3)])
def test_images_of_another_shape_are_refused(shape):
    model = make_vit()
    with pytest.raises(ValueError, match=r"attention_maps needs model input, \(batch, 8, 12, 3\); got shape"):
        attention_maps(model, np.zeros(shape, "float32"))


def test_a_model_without_attention_is_refused():
    inputs = keras.Input((8, 8, 3))
    cnn = keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs), name="cnn")
    for model in (cnn, None):
        with pytest.raises(ValueError, match="attention_maps needs a model of this package with attention"):
            attention_maps(model, np.zeros((1, 8, 8, 3), "float32"))


def test_layers_with_different_numbers_of_heads_are_asked_one_by_one():
    model = make_tiny("Swin")
    images = images_for(model, batch=1)
    with pytest.raises(ValueError, match=r"same number of heads for heads='all'; got layers with \[1, 1, 2, 2\]"):
        attention_maps(model, images, "all", "all")
    assert attention_maps(model, images, [2, 3], "all").shape[:3] == (1, 2, 2)
