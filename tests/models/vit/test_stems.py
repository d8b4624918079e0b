"""A ViT behind a network of the user's."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import HybridViT, HybridViTConfig, ViT
from keras_vit.training import LayerDecayAdamW
from keras_vit.training.macs import count_macs
from tests.models.vit.configs import TINY

FIELDS = {name: value for name, value in TINY.items() if name not in ("image_size", "patch_size")}


def make_stem(size=(None, None), channels=3, strides=2, units=5):
    images = keras.Input((*size, channels))
    features = keras.layers.Conv2D(4, 3, strides=strides, padding="same", name="first")(images)
    features = keras.layers.BatchNormalization(name="normed")(features)
    return keras.Model(images, keras.layers.Conv2D(units, 1, activation="relu", name="second")(features), name="cnn")


@pytest.fixture
def stem(randomise):
    stem = make_stem()
    randomise(stem)
    stem.get_layer("normed").moving_variance.assign(np.ones(4))
    return stem


def images_of(size=(8, 12)):
    return np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def test_the_feature_map_takes_the_place_of_pixels(stem, randomise):
    behind = ViT(stem=stem, image_size=(8, 12), patch_size=4, **FIELDS)
    plain = ViT(image_size=(4, 6), patch_size=2, in_channels=5, **FIELDS)
    randomise(plain)
    for name in (layer.name for layer in plain.layers if layer.weights):
        behind.get_layer(name).set_weights(plain.get_layer(name).get_weights())
    images = images_of()
    np.testing.assert_allclose(to_numpy(behind(images)), to_numpy(plain(stem(images))), atol=1e-5)
    assert behind.config.patch_size == (4, 4)
    assert behind.preprocessing.image_size == (8, 12)


def test_without_a_patch_size_each_place_of_the_map_is_a_token(stem):
    model = ViT(stem=stem, image_size=(8, 12), **FIELDS)
    assert (model.config.patch_size, model.config.grid_size) == ((2, 2), (4, 6))
    assert model.get_layer("patch_embedding").kernel.shape == (1, 1, 5, 8)


def test_the_stem_is_copied_with_its_weights(stem):
    model = ViT(stem=stem, image_size=8, **FIELDS)
    images = images_of((8, 8))
    expected = to_numpy(stem(images))
    np.testing.assert_allclose(to_numpy(model.get_layer("stem")(images)), expected, atol=1e-6)
    model.get_layer("stem").set_weights([np.zeros(weight.shape) for weight in stem.weights])
    np.testing.assert_array_equal(to_numpy(stem(images)), expected)


def test_a_keras_file_gives_back_stem_and_vit(stem, tmp_path):
    model = ViT(stem=stem, image_size=8, **FIELDS)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(images_of((8, 8)))), to_numpy(model(images_of((8, 8)))))
    assert again.weights_by_path().keys() == model.weights_by_path().keys()
    assert {"stem/first/kernel", "stem/normed/moving_mean"} <= model.weights_by_path().keys()


def test_preset_folders_cannot_hold_it(stem, tmp_path):
    with pytest.raises(ValueError, match=r"the layer 'stem' of this one was given to it\. Save it as a Keras file"):
        ViT(stem=stem, image_size=8, **FIELDS).save_to_preset(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


@pytest.mark.slow
def test_all_of_the_stem_is_patch_embedding_and_learns_least(stem):
    model = ViT(stem=stem, image_size=8, **FIELDS)
    roles = model.roles()
    assert (roles["stem/first/kernel"].name, roles["stem/first/kernel"].depth) == ("patch", 0)
    assert roles["stem/normed/gamma"].name == "norm"
    model.compile(LayerDecayAdamW.for_model(model, 1e-3, layer_decay=0.5), "mse")
    before = model.get_layer("stem").get_weights()
    assert np.isfinite(model.train_on_batch(images_of((8, 8)), np.ones((2, 3), "float32")))
    for old, new in zip(before, model.get_layer("stem").get_weights(), strict=True):
        assert not np.array_equal(old, new)


def test_a_frozen_stem_stays_as_it_is(stem):
    model = ViT(stem=stem, image_size=8, **FIELDS)
    model.freeze(until="stem")
    model.compile("sgd", "mse")
    before = model.get_layer("stem").get_weights()
    model.train_on_batch(images_of((8, 8)), np.ones((2, 3), "float32"))
    for old, new in zip(before, model.get_layer("stem").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_its_cost_is_that_of_the_stem_and_of_the_vit_on_the_map(stem):
    model = ViT(stem=stem, image_size=(8, 12), patch_size=4, **FIELDS)
    plain = ViT(image_size=(4, 6), patch_size=2, in_channels=5, **FIELDS)
    places = 4 * 6 * (3 * 3 * 3 * 4 + 4 * 5)  # of both convolutions
    assert count_macs(model, (8, 12, 3)) == places + count_macs(plain, (4, 6, 5))


def test_any_size_may_be_left_open(stem):
    model = ViT(stem=stem, image_size=None, **FIELDS)
    assert model(images_of((10, 6))).shape == (2, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_size": 9}, "needs a feature map whose places make up patches; got a map of 5 x 5 places"),
        ({"image_size": 9, "patch_size": 3}, "needs a feature map whose places make up patches"),
        ({"image_size": 12, "patch_size": 3}, "needs a feature map whose places make up patches"),
        ({"image_size": 8, "in_channels": 1}, r"it takes \(None, None, 3\), the model's are \(8, 8, 1\)"),
    ],
)
def test_stems_that_do_not_fit_are_refused(stem, fields, message):
    with pytest.raises(ValueError, match=message):
        ViT(stem=stem, **FIELDS, **fields)


def test_a_stem_for_another_size_is_refused():
    with pytest.raises(ValueError, match=r"it takes \(16, 16, 3\), the model's are \(8, 8, 3\)"):
        ViT(stem=make_stem((16, 16)), image_size=8, **FIELDS)


def test_what_is_no_functional_model_from_images_to_a_map_is_refused():
    with pytest.raises(TypeError, match="ViT needs its stem to be a functional or sequential keras.Model"):
        ViT(stem=keras.layers.Conv2D(4, 2), image_size=8, **FIELDS)
    vectors = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="include_top=False"):
        ViT(stem=vectors, image_size=8, **FIELDS)


def test_the_config_of_a_hybrid_is_no_config_of_a_vit():
    with pytest.raises(TypeError, match="needs config to be a ViTConfig"):
        ViT(HybridViTConfig())
    with pytest.raises(TypeError, match="needs config to be a HybridViTConfig"):
        HybridViT(ViT.config_class())
