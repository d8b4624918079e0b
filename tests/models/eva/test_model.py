"""EVA against NumPy, at fixed and free image sizes."""

import numpy as np
import pytest
from keras import ops

from keras_vit import EVA, EVAConfig
from keras_vit.models.config import ConfigError
from tests import rotary_reference
from tests.models.eva.configs import ALL, TINY


def images_of(model, size=None):
    height, width = size or model.config.image_size
    return np.random.default_rng(1).normal(size=(2, height, width, model.config.in_channels)).astype("float32")


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("name", ALL)
def test_outputs_equal_numpy(randomise, name):
    model = EVA(**{**TINY, **ALL[name]})
    randomise(model)
    images = images_of(model)
    weights = {path: to_numpy(weight.value).astype("float64") for path, weight in model.weights_by_path().items()}
    expected = rotary_reference.eva(images, weights, model.config)
    outputs = to_numpy(model(images))
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=5e-5)


def test_the_defaults_are_eva02_b14():
    config = EVAConfig()
    assert (config.embed_dim, config.depth, config.head_dim, config.mlp_dim) == (768, 12, 64, 2048)
    assert (config.grid_size, config.num_prefix_tokens) == ((16, 16), 1)


def test_the_layers_are_named_in_the_order_they_run():
    model = EVA(**TINY, num_register_tokens=1, use_embedding_norm=True, use_head_norm=False)
    names = [layer.name for layer in model.layers if layer.name != "rotary_positions"]
    embedding = ["images", "patch_embedding", "positional_encoding", "prefix_tokens", "embedding_norm"]
    assert names == [*embedding, "encoder_0", "encoder_1", "norm", "head"]
    assert model.get_layer("encoder_1").input[1] is model.get_layer("rotary_positions").output
    assert model.pyramid_layers(model.config) == {4: "norm"}
    assert model.pyramid_layers(model.config.replace(use_head_norm=True)) == {4: "encoder_1"}


@pytest.mark.parametrize("name", ["eva02", "dinov3", "rope_mixed"])
def test_a_free_image_size_gives_what_a_fixed_one_gives(randomise, name):
    fields = {**TINY, **ALL[name]}
    free = EVA(**{**fields, "image_size": None, "position_grid": (2, 3)})
    randomise(free)
    assert free.config.usual_size == (8, 12)
    for size in ((8, 12), (12, 20), (8, 8)):
        fixed = EVA(**{**fields, "image_size": size, "position_grid": (2, 3)})
        fixed.set_weights(free.get_weights())
        images = images_of(free, size)
        np.testing.assert_allclose(free.predict(images, verbose=0), to_numpy(fixed(images)), atol=1e-5)


def test_a_larger_image_has_the_angles_of_the_grid_that_was_trained():
    """At twice the size, every second patch in each direction stands where a patch stood."""
    small, large = (EVA(**{**TINY, "image_size": size}) for size in ((16, 16), (32, 32)))
    angles = [model.get_layer("rotary_positions")(np.zeros((1, *grid, 16), "float32"))
              for model, grid in ((small, (4, 4)), (large, (8, 8)))]  # fmt: skip
    grids = [to_numpy(each)[1:].reshape(count, count, -1) for each, count in zip(angles, (4, 8), strict=True)]
    np.testing.assert_allclose(grids[1][::2, ::2], grids[0], atol=1e-6)


@pytest.mark.parametrize("name", ["rope_mixed", "pe_core", "sapiens2"])
def test_learned_frequencies_and_shared_keys_train(randomise, name):
    model = EVA(**{**TINY, **ALL[name], "drop_path_rate": 0.1}, remat=True)
    randomise(model)
    before = {path: to_numpy(weight.value) for path, weight in model.weights_by_path().items()}
    model.compile("sgd", "mse")
    model.train_on_batch(images_of(model), np.ones((2, 3), "float32"))
    moved = {path for path, weight in model.weights_by_path().items() if (to_numpy(weight.value) != before[path]).any()}
    assert {path for path in before if path.endswith(("frequencies", "key_value/kernel", "latent"))} <= moved


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"embed_dim": 12}, "rotary needs embed_dim / num_heads to be a multiple of 4; got 6"),
        ({"num_heads": 3}, "num_heads needs to divide embed_dim=16; got 3"),
        ({"num_key_value_heads": (2,)}, "num_key_value_heads needs one number for each of 2 layers"),
        ({"num_key_value_heads": (2, 3)}, "num_key_value_heads needs one number for each of 2 layers"),
        ({"num_key_value_heads": (2, 1), "rotary": "learned"}, "rotary='learned' needs num_key_value_heads=None"),
        ({"use_key_bias": True, "use_qkv_bias": False}, "use_key_bias=True needs use_qkv_bias=True"),
        ({"use_class_token": False, "pooling": "token"}, "pooling='token' needs use_class_token=True"),
        ({"use_final_norm": False}, "use_head_norm=True needs use_final_norm=True"),
        ({"order": "post_norm", "layer_scale_init": 0.1}, "layer_scale_init needs to be None for order='post_norm'"),
        ({"image_size": 10}, "image_size needs to be a multiple of patch_size=(4, 4); got (10, 10)"),
        ({"mlp_ratio": 0.01}, "mlp_ratio needs to leave at least one channel"),
        ({"pooling": "attention", "pooling_num_heads": 3}, "pooling_num_heads needs to divide embed_dim=16; got 3"),
    ],
)  # fmt: skip
def test_contradictions_are_named(changes, problem):
    with pytest.raises(ConfigError) as error:
        EVAConfig.from_dict({**TINY, **changes})
    assert any(each.startswith(problem) for each in error.value.problems)
