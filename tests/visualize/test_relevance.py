"""Relevance against numerical gradients of a model written out in NumPy (Chefer et al., 2021)."""

import numpy as np
import pytest
from keras import ops

from keras_vit.layers import TransformerEncoder
from keras_vit.visualize import relevance
from keras_vit.visualize.gradients import gradients
from tests import numpy_reference
from tests.numpy_reference import part
from tests.visualize.models import images_for, make_tiny, make_vit, to_numpy

STEP = 1e-5


def logits_of(tokens, weights, model, offsets):
    """The model's logits for the first layer's input, where something is added to its attention weights."""
    num_heads, scores = model.config.num_heads, []
    for layer, added in enumerate(offsets):
        own = part(weights, f"encoder_{layer}")
        normed = numpy_reference.norm(tokens, part(own, "attention_norm"))
        attention = part(own, "attention")
        scores.append(numpy_reference.attention_scores(normed, attention, num_heads)[0])
        values = [values for _, _, values in numpy_reference.heads(normed, attention, num_heads)]
        mixed = np.concatenate([(scores[-1] + added)[head] @ values[head] for head in range(num_heads)], axis=-1)
        tokens = tokens + numpy_reference.dense(mixed, part(attention, "projection"))
        normed = numpy_reference.norm(tokens, part(own, "mlp_norm"))
        tokens = tokens + numpy_reference.mlp(normed, part(own, "mlp"))
    tokens = numpy_reference.norm(tokens, part(weights, "norm"))
    return numpy_reference.head(tokens, part(weights, "head"), model.config)[0], scores


def expected_map(model, image, number):
    """Equations 5 and 6 of the paper, with whole matrices and numerical gradients."""
    weights = {
        f"{layer.name}/{name}": array
        for layer in model.layers
        for name, array in numpy_reference.weights_of(layer).items()
    }
    layers = [layer for layer in model.layers if isinstance(layer, TransformerEncoder)]
    before = model.layers[model.layers.index(layers[0]) - 1].name
    tokens = to_numpy(model.features(image, layers=before)).astype("float64")
    num_tokens = tokens.shape[1]
    offsets = np.zeros((len(layers), model.config.num_heads, num_tokens, num_tokens))
    _, scores = logits_of(tokens, weights, model, offsets)
    slopes = np.zeros_like(offsets)
    for place in np.ndindex(*offsets.shape):
        for sign in (1, -1):
            offsets[place] = sign * STEP
            slopes[place] += sign * logits_of(tokens, weights, model, offsets)[0][number] / (2 * STEP)
        offsets[place] = 0
    matrix = np.eye(num_tokens)
    for slope, score in zip(slopes, scores, strict=True):
        matrix = matrix + np.maximum(slope * score, 0).mean(axis=0) @ matrix
    if model.config.use_class_token:
        return matrix[0, model.config.num_prefix_tokens :].reshape(2, 3)
    return (matrix - np.eye(num_tokens)).mean(axis=0).reshape(2, 3)


@pytest.mark.parametrize(
    "changes",
    [{"use_distillation_token": True}, {"use_class_token": False, "pooling": "mean"}],
    ids=str,
)
def test_maps_equal_numerical_gradients(changes):
    model = make_vit(depth=2, **changes)
    images = images_for(model)
    maps = relevance(model, images, [3, 1])
    assert maps.shape == (2, 2, 3)
    expected = expected_map(model, images[1:], 1)
    assert expected.max() > 0.01
    np.testing.assert_allclose(maps[1], expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_a_class_is_a_number_a_label_or_the_most_probable(monkeypatch):
    model = make_vit()
    monkeypatch.setattr(model, "labels", ("ant", "bee", "cat", "7"))
    images = images_for(model)
    best = to_numpy(model(images, training=False)).argmax(axis=1)
    np.testing.assert_array_equal(relevance(model, images), relevance(model, images, list(best)))
    np.testing.assert_array_equal(relevance(model, images[:1], "7"), relevance(model, images[:1], 3))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_tells_about_the_same(dtype):
    model, half = make_vit(), make_vit(dtype=dtype)
    images = images_for(model, batch=1)
    maps, rough = relevance(model, images, 0), relevance(half, images, 0)
    assert rough.dtype == "float32"
    np.testing.assert_allclose(rough, maps, atol=0.1 * maps.max())


@pytest.mark.parametrize("architecture", ["BEiT", "EVA", "HybridViT"])
def test_plain_architectures_have_relevance(architecture):
    model = make_tiny(architecture)
    maps = relevance(model, images_for(model, batch=1), 1)
    assert (maps >= 0).all()
    assert maps.max() > 0


def test_attention_that_is_not_global_is_refused():
    model = make_tiny("Swin")
    with pytest.raises(ValueError, match="relevance needs global attention in every layer, on one grid"):
        relevance(model, images_for(model), 1)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (4, "a class from 0 to 3, or a label of the model; got 4"),
        (-1, "got -1"),
        ("dog", "got 'dog'"),
        ([1, 2, 3], "one class, or one for each of 2 images; got 3"),
    ],
)
def test_unknown_classes_are_refused(classes, message):
    model = make_vit()
    with pytest.raises(ValueError, match=f"relevance .*{message}"):
        relevance(model, images_for(model), classes)


@pytest.mark.parametrize("changes", [{"num_classes": 0}, {"pooling": "none"}], ids=str)
def test_a_model_without_logits_is_refused(changes):
    model = make_vit(**changes)
    with pytest.raises(ValueError, match="relevance needs one vector of logits per image; got num_classes="):
        relevance(model, images_for(model))


def test_gradients_of_a_polynomial():
    first, second = (ops.convert_to_tensor(np.array(values, "float32")) for values in ([1, 2], [3, 4]))
    slopes = gradients(lambda a, b: ops.sum(a * a * b), first, second)
    np.testing.assert_allclose(to_numpy(slopes[0]), [6, 16])
    np.testing.assert_allclose(to_numpy(slopes[1]), [1, 4])
