"""Feature pyramids of plain and hierarchical models."""

import importlib

import keras
import numpy as np
import pytest

from keras_vit import ViT, ViTConfig, feature_pyramid, segmentation_model
from keras_vit.models import VisionModel, catalogue
from tests.layers.checks import to_numpy
from tests.models.vit.configs import TINY

FIELDS = {**TINY, "image_size": (32, 64), "patch_size": 16}
LEVELS = ["P2", "P3", "P4", "P5"]


class Staged(VisionModel):
    """As small as a model of four stages can be."""

    config_class = ViTConfig

    @staticmethod
    def build_graph(config, dtype):
        images = keras.Input((*config.image_size, config.in_channels))
        patches = keras.layers.AveragePooling2D(4)(images)
        for index in range(4):
            if index:
                patches = keras.layers.AveragePooling2D(2)(patches)
            patches = keras.layers.Dense(4 + index, name=f"encoder_{index}")(patches)
        return images, keras.layers.GlobalAveragePooling2D(name="head")(patches)

    @staticmethod
    def pyramid_layers(config):
        return {4 * 2**index: f"encoder_{index}" for index in range(4)}


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 32, 64, 3)).astype("float32")


def test_a_plain_model_gives_four_strides(images):
    maps = feature_pyramid(ViT(**FIELDS), pyramid_dim=6)(images)
    shapes = {level: tuple(grid.shape) for level, grid in maps.items()}
    assert shapes == {"P2": (2, 8, 16, 6), "P3": (2, 4, 8, 6), "P4": (2, 2, 4, 6), "P5": (2, 1, 2, 6)}


@pytest.mark.parametrize(
    "fields", [{}, {"num_register_tokens": 2}, {"use_class_token": False, "pooling": "mean"}], ids=str
)
def test_levels_are_made_from_the_tokens_that_the_head_reads(randomise, images, fields):
    model = ViT(**{**FIELDS, **fields})
    pyramid = feature_pyramid(model, pyramid_dim=6)
    randomise(pyramid)
    tokens = to_numpy(model.features(images))
    patches = tokens[:, model.config.num_prefix_tokens :].reshape(2, 2, 4, 8)
    expected = to_numpy(pyramid.get_layer("pyramid_8")(patches))
    np.testing.assert_allclose(to_numpy(pyramid(images)["P3"]), expected, atol=1e-5)


def test_the_head_is_no_weight_of_the_backbone_but_saved_with_it(images, tmp_path):
    model = ViT(**FIELDS)
    pyramid = feature_pyramid(model, pyramid_dim=6)
    assert not {weight.path for weight in pyramid.weights if weight.path.startswith("head/")}
    pyramid.save(tmp_path / "pyramid.keras")
    again = keras.saving.load_model(tmp_path / "pyramid.keras")
    np.testing.assert_array_equal(again.model.predict(images, verbose=0), model.predict(images, verbose=0))


def test_a_staged_model_gives_its_own_maps(images):
    model = Staged(ViTConfig(**FIELDS))
    pyramid = feature_pyramid(model)
    maps = pyramid(images)
    assert list(maps) == LEVELS
    assert pyramid.pyramid_level_inputs == {level: f"encoder_{index}" for index, level in enumerate(LEVELS)}
    for index, level in enumerate(LEVELS):
        np.testing.assert_array_equal(to_numpy(maps[level]), to_numpy(model.features(images, f"encoder_{index}")))
    assert {id(weight) for weight in pyramid.weights} == {id(weight) for weight in model.weights}


def test_weights_are_those_of_the_model_and_train_with_it(images):
    model = ViT(**FIELDS, dtype="mixed_bfloat16")
    pyramid = feature_pyramid(model, strides=(8, 32), pyramid_dim=6)
    kernel = model.get_layer("encoder_0").attention.qkv.kernel
    before = to_numpy(kernel.value)
    pooled = [keras.layers.GlobalAveragePooling2D()(grid) for grid in pyramid.output.values()]
    classifier = keras.Model(pyramid.input, keras.layers.Dense(1)(keras.layers.Concatenate()(pooled)))
    classifier.compile("sgd", "mse")
    assert np.isfinite(classifier.train_on_batch(images, np.full((2, 1), 5.0)))
    assert not np.array_equal(to_numpy(kernel.value), before)


@pytest.mark.parametrize("image_size", [(32, 64), None])
def test_saved_and_reloaded(randomise, images, tmp_path, image_size):
    pyramid = feature_pyramid(ViT(**{**FIELDS, "image_size": image_size, "position_grid": (2, 4)}), pyramid_dim=6)
    randomise(pyramid)
    pyramid.save(tmp_path / "pyramid.keras")
    again = keras.saving.load_model(tmp_path / "pyramid.keras")
    assert again.pyramid_level_inputs == {f"P{level}": f"pyramid_{2**level}" for level in range(2, 6)}
    assert {level: grid.shape for level, grid in again.pyramid_outputs.items()} == {
        level: grid.shape for level, grid in pyramid.pyramid_outputs.items()
    }
    expected, maps = pyramid.predict(images, verbose=0), again.predict(images, verbose=0)
    for level in LEVELS:
        np.testing.assert_array_equal(maps[level], expected[level])


@pytest.mark.parametrize("architecture", sorted(catalogue.ARCHITECTURES))
def test_every_architecture_gives_maps_of_its_strides_and_logits_of_pixels(architecture):
    folder = catalogue.ARCHITECTURES[architecture].rpartition(".")[2]
    fields = importlib.import_module(f"tests.models.{folder}.configs").TINY
    model = catalogue.model_class(architecture)(**fields)
    height, width = model.config.usual_size
    strides = tuple(sorted(model.pyramid_layers(model.config)))
    pyramid = feature_pyramid(model, strides=strides, pyramid_dim=6)
    images = np.zeros((1, height, width, model.config.in_channels), "float32")
    maps = pyramid(images)
    shapes = [tuple(grid.shape)[:3] for grid in maps.values()]
    assert shapes == [(1, -(-height // stride), -(-width // stride)) for stride in strides]
    assert segmentation_model(model, 5)(images).shape == (1, height, width, 5)


def test_detectors_find_each_level_by_its_layer(images):
    pyramid = feature_pyramid(ViT(**FIELDS), pyramid_dim=6)
    for level, name in pyramid.pyramid_level_inputs.items():
        assert pyramid.get_layer(name).output is pyramid.pyramid_outputs[level]


@pytest.mark.parametrize(
    ("fields", "strides", "message"),
    [
        ({}, (4, 6), "ascending powers of two"),
        ({}, (8, 4), "ascending powers of two"),
        ({}, (), "ascending powers of two"),
        ({"patch_size": (16, 8)}, (4,), "one token for each square patch"),
        ({"image_size": (28, 42), "patch_size": 14}, (4, 8), "has 14. Load it with patch_size=16"),
        ({"patch_dropout_rate": 0.5}, (4,), "Load it with patch_dropout_rate=0"),
    ],
)
def test_what_cannot_be_a_pyramid_is_refused(fields, strides, message):
    model = ViT(**{**FIELDS, **fields})
    with pytest.raises(ValueError, match=message):
        feature_pyramid(model, strides=strides)


def test_a_level_may_be_alone_and_larger_than_the_image():
    pyramid = feature_pyramid(ViT(**TINY), strides=(64,), pyramid_dim=2)
    assert {level: grid.shape for level, grid in pyramid.pyramid_outputs.items()} == {"P6": (None, 1, 1, 2)}


def test_strides_that_no_stage_has_are_refused():
    with pytest.raises(ValueError, match=r"Staged have, \[4, 8, 16, 32\]; got strides=\(32, 64\). Leave \[64\] out"):
        feature_pyramid(Staged(ViTConfig(**FIELDS)), strides=(32, 64))


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="feature_pyramid needs a model of keras_vit"):
        feature_pyramid(keras.Sequential([keras.layers.Dense(1)]))
