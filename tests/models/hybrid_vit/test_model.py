"""HybridViT against its formula: a stem written out in NumPy, and ViT's own on the map."""

import keras
import numpy as np
import pytest

from keras_vit import HybridViT, HybridViTConfig
from keras_vit.models.config import ConfigError
from tests import numpy_reference, stem_reference
from tests.models.hybrid_vit.configs import ALL, TINY


def to_numpy(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def images_of(size):
    return np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")


def expected_outputs(model, images):
    config = model.config
    weights = {path: np.asarray(to_numpy(weight.value), "float64") for path, weight in model.weights_by_path().items()}
    stem = numpy_reference.part(weights, "stem")
    if config.stem == "conv":
        features = stem_reference.conv_stem(images.astype("float64"), stem)
    else:
        features = stem_reference.res_net_stem(images.astype("float64"), stem, config.stem_depths)
    return numpy_reference.vit(features, weights, config.on_map)


@pytest.mark.parametrize("name", ["root", "two_stages", "convolutions", "mean", "pad"])
def test_outputs_equal_the_formula(randomise, name):
    model = HybridViT(**{**TINY, **ALL[name]})
    randomise(model)
    for path, weight in model.weights_by_path().items():
        if path.endswith("moving_variance"):
            weight.assign(0.5 + np.abs(to_numpy(weight.value)))
    images = images_of(model.config.image_size)
    np.testing.assert_allclose(to_numpy(model(images)), expected_outputs(model, images), atol=2e-4)


def test_layers_are_the_stem_and_those_of_a_vit():
    names = [layer.name for layer in HybridViT(**TINY).layers]
    assert names[1:5] == ["stem", "patch_embedding", "positional_encoding", "prefix_tokens"]
    assert names[-2:] == ["norm", "head"]


def test_any_size_is_taken_where_none_is_set(randomise):
    fixed = HybridViT(**TINY)
    randomise(fixed)
    free = HybridViT(**{**TINY, "image_size": None, "position_grid": fixed.config.grid_size})
    free.set_weights(fixed.get_weights())
    images = images_of((16, 24))
    np.testing.assert_allclose(to_numpy(free(images)), to_numpy(fixed(images)), atol=1e-5)
    assert free(images_of((32, 16))).shape == (2, 3)


def test_maps_of_both_strides_are_named():
    assert HybridViT.pyramid_layers(HybridViTConfig(**TINY)) == {4: "stem", 8: "norm"}
    assert HybridViT.pyramid_layers(HybridViTConfig()) == {16: "norm"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patch_size": 24}, "patch_size needs to be a multiple of the stem's strides, 16 pixels"),
        ({"stem_dim": 48}, "stem_dim needs to be a multiple of 32 for stem='resnet'; got 48"),
        ({"stem_depths": (1, 1, 1, 1, 1), "patch_size": 64, "image_size": 64}, "stem_depths needs at most 4 stages"),
        ({"stem": "conv"}, r"stem_depths needs to be \(\) for stem='conv'; got \(3, 4, 9\)"),
        ({"stem": "conv", "stem_depths": (), "pad": True}, "pad=True needs stem='resnet'"),
        ({"drop_remainder": True}, "drop_remainder=True needs patches of pixels"),
    ],
)
def test_contradictions_are_told(fields, message):
    with pytest.raises(ConfigError, match=message):
        HybridViTConfig(**fields)


def test_the_defaults_are_r50_b16():
    config = HybridViTConfig()
    assert (config.stem_strides, config.on_map.in_channels, config.on_map.patch_size) == (16, 1024, (1, 1))
    assert config.on_map.image_size == config.grid_size == (14, 14)
