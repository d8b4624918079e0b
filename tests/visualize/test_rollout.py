"""Rollout against explicit products of whole matrices (Abnar and Zuidema, 2020)."""

import numpy as np
import pytest
from keras import ops

from keras_vit.layers import TransformerEncoder
from keras_vit.visualize import rollout
from tests.visualize.models import images_for, make_tiny, make_vit, to_numpy

FUSIONS = {"mean": np.mean, "max": np.max, "min": np.min}


def matrices(model, images, fuse, num_discarded=0):
    """(batch, layers, tokens, tokens): what each layer passes on."""
    layers = [layer for layer in model.layers if isinstance(layer, TransformerEncoder)]
    inputs = [model.get_layer("prefix_tokens").output, *(layer.output for layer in layers[:-1])]
    tokens = [to_numpy(model.features(images, layers=[tensor._keras_history.operation.name])[0]) for tensor in inputs]
    passed = []
    for layer, each in zip(layers, tokens, strict=True):
        weights = fuse(to_numpy(layer.attention_scores(each)).astype("float64"), axis=1)
        for row in weights.reshape(-1, weights.shape[-1]):
            row[np.argsort(row)[:num_discarded]] = 0
        weights = 0.5 * weights + 0.5 * np.eye(weights.shape[-1])
        passed.append(weights / weights.sum(axis=-1, keepdims=True))
    return np.stack(passed, axis=1)


@pytest.mark.parametrize(
    ("fusion", "discard_ratio", "num_discarded"), [("mean", 0.0, 0), ("max", 0.5, 4), ("min", 0.5, 4)]
)
def test_maps_equal_the_product_of_all_matrices(fusion, discard_ratio, num_discarded):
    model = make_vit(num_register_tokens=1)  # 8 tokens
    images = images_for(model)
    first, second, third = np.moveaxis(matrices(model, images, FUSIONS[fusion], num_discarded), 1, 0)
    expected = (third @ second @ first)[:, 0, 2:].reshape(2, 2, 3)
    maps = rollout(model, images, fusion, discard_ratio)
    assert maps.dtype == "float32"
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_one_patch_may_be_the_start():
    model = make_vit()
    images = images_for(model)
    first, second, third = np.moveaxis(matrices(model, images, np.mean), 1, 0)
    expected = (third @ second @ first)[:, 1 + 1 * 3 + 1, 1:].reshape(2, 2, 3)
    np.testing.assert_allclose(rollout(model, images, query=(1, 1)), expected, atol=1e-5)


@pytest.mark.parametrize(("discard_ratio", "patches"), [(0.0, [(0, 0), (0, 2), (1, 1)]), (0.9, [(1, 2)])])
def test_rollout_of_identity_attention_is_the_identity(monkeypatch, discard_ratio, patches):
    model = make_vit()
    images = images_for(model, batch=1)
    eye = np.broadcast_to(np.eye(7, dtype="float32"), (1, 2, 7, 7))
    monkeypatch.setattr(TransformerEncoder, "attention_scores", lambda self, tokens: ops.convert_to_tensor(eye))
    for patch in patches:
        expected = np.zeros((1, 2, 3))
        expected[0, *patch] = 1
        np.testing.assert_array_equal(rollout(model, images, discard_ratio=discard_ratio, query=patch), expected)
    assert not rollout(model, images).any()  # all that the class token has stays its own


def test_without_prefix_tokens_nothing_is_lost():
    model = make_vit(use_class_token=False, pooling="mean")
    np.testing.assert_allclose(rollout(model, images_for(model), "max", 0.3).sum(axis=(1, 2)), 1, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["PyramidViT", "Swin"])
def test_attention_that_is_not_global_is_refused(architecture):
    model = make_tiny(architecture)
    with pytest.raises(ValueError, match="rollout needs global attention in every layer, on one grid"):
        rollout(model, images_for(model, batch=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head_fusion": "sum"}, r"head_fusion to be one of \('mean', 'max', 'min'\); got 'sum'"),
        ({"discard_ratio": 1.0}, "0 <= discard_ratio < 1; got discard_ratio=1.0"),
        ({"query": (0, 3)}, r"got \(0, 3\)"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, message):
    model = make_vit()
    with pytest.raises(ValueError, match=f"rollout .*{message}"):
        rollout(model, images_for(model, batch=1), **arguments)
