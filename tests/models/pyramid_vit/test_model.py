"""The pyramid transformer against its parts written out in NumPy, and what its config refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import PyramidViT, PyramidViTConfig
from keras_vit.models.config import ConfigError
from tests import numpy_reference, pyramid_reference
from tests.models.pyramid_vit.configs import ALL, TINY


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def expected_outputs(model, images):
    """Logits, or features without a head, layer by layer."""
    config, weights = model.config, model.weights_by_path()
    weights = {path: np.array(ops.convert_to_numpy(each.value), "float64") for path, each in weights.items()}
    patches, settings = images, {name: getattr(config, name) for name in ("activation", "use_pooling", "use_qkv_bias")}
    settings |= {"norm_epsilon": config.norm_epsilon, "reduction_norm_epsilon": config.embedding_norm_epsilon}
    for index, stage in enumerate(config.stages):
        embedding = numpy_reference.part(weights, stage.embedding)
        patches = pyramid_reference.embedding(
            patches, embedding, stage.patch_size, stage.stride, config.embedding_norm_epsilon
        )
        for encoder in stage.encoders:
            part = numpy_reference.part(weights, f"encoder_{encoder}")
            own = {**settings, "reduction_size": config.reduction_sizes[index]}
            patches = pyramid_reference.encoder(patches, part, config.num_heads[index], **own)
        norm = numpy_reference.part(weights, stage.norm)
        patches = numpy_reference.layer_norm(patches, norm, config.norm_epsilon)
    if config.pooling != "none":
        patches = patches.max(axis=(1, 2)) if config.pooling == "max" else patches.mean(axis=(1, 2))
    return (
        numpy_reference.dense(patches, numpy_reference.part(weights, "head/logits")) if config.num_classes else patches
    )


@pytest.mark.parametrize("name", ALL)
def test_outputs_equal_numpy(rng, randomise, name):
    model = PyramidViT(**{**TINY, **ALL[name]})
    randomise(model)
    size = model.config.image_size or (16, 24)
    images = rng.normal(size=(2, *size, model.config.in_channels)).astype("float32")
    expected = expected_outputs(model, images)
    np.testing.assert_allclose(to_numpy(model(images)), expected, atol=1e-4 * np.abs(expected).max())


def test_layers_are_named_through_all_stages():
    model = PyramidViT(**TINY)
    assert [layer.name for layer in model.layers] == [
        *("images", "patch_embedding", "encoder_0", "encoder_1", "norm_0"),
        *("patch_embedding_1", "encoder_2", "norm", "head"),
    ]
    assert model.pyramid_layers(model.config) == {4: "norm_0", 8: "norm"}
    assert model.pyramid_layers(PyramidViTConfig()) == {4: "norm_0", 8: "norm_1", 16: "norm_2", 32: "norm"}


def test_drop_path_grows_through_all_stages():
    model = PyramidViT(**TINY, drop_path_rate=0.2)
    rates = [model.get_layer(f"encoder_{index}").get_config()["drop_path_rate"] for index in range(3)]
    np.testing.assert_allclose(rates, [0, 0.1, 0.2])


@pytest.mark.parametrize("use_pooling", [False, True])
def test_a_model_of_any_size_gives_what_one_of_that_size_gives(rng, randomise, use_pooling):
    free = PyramidViT(**{**TINY, "image_size": None, "use_pooling": use_pooling})
    randomise(free)
    assert free.preprocessing.image_size == (224, 224)
    fixed = PyramidViT(**{**TINY, "image_size": (21, 9), "use_pooling": use_pooling})
    fixed.set_weights(free.get_weights())
    images = rng.normal(size=(2, 21, 9, 3)).astype("float32")
    np.testing.assert_allclose(free.predict(images, verbose=0), to_numpy(fixed(images)), atol=1e-5)


def test_features_are_maps_of_the_last_stage(rng):
    model = PyramidViT(**TINY)
    images = rng.normal(size=(2, 16, 24, 3)).astype("float32")
    assert model.features(images).shape == (2, 2, 3, 12)
    assert model.features(images, layers=0).shape == (2, 4, 6, 8)


def test_attention_weights_are_of_each_patch_over_the_reduced_grid(rng):
    model = PyramidViT(**TINY)
    patches = rng.normal(size=(2, 4, 6, 8)).astype("float32")
    scores = to_numpy(model.get_layer("encoder_0").attention_scores(patches))
    assert scores.shape == (2, 1, 24, 6)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-6)


def test_the_defaults_are_pvt_v2_b2():
    config = PyramidViTConfig()
    assert (config.depth, config.mlp_dims, config.usual_size) == (16, (512, 1024, 1280, 2048), (224, 224))
    assert config.divided_sizes == {"embed_dims": 64, "mlp_dims": 256}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"embed_dims": (8, 16, 24)},
            r"embed_dims needs one number for each of the 2 stages in depths; got \(8, 16, 24\)",
        ),
        ({"num_heads": (3, 2)}, r"num_heads needs to divide embed_dims=\(8, 12\); got \(3, 2\)"),
        ({"mlp_ratios": (0.1, 2.0)}, r"mlp_ratios needs to leave at least one channel; got \(0.1, 2.0\)"),
        ({"mlp_ratios": (0.0, 2.0)}, r"mlp_ratios needs numbers > 0 and <= 64; got \(0.0, 2.0\)"),
        ({"image_size": (16, 8), "reduction_sizes": (4, 1)}, r"image_size needs at least 13 pixels .* got \(16, 8\)"),
        ({"depths": (1,) * 9}, "one number for each of the 9 stages"),
        ({"patch_size": 8}, "'patch_size' is not a field"),
        ({"pooling": "token"}, "pooling needs one of .'mean', 'max', 'none'.; got 'token'"),
    ],
    ids=str,
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        PyramidViTConfig.from_dict({**TINY, **fields})


def test_more_stages_than_an_image_has_room_for_are_refused():
    many = {
        name: (TINY[name][1],) * 9 for name in ("embed_dims", "depths", "num_heads", "mlp_ratios", "reduction_sizes")
    }
    with pytest.raises(ConfigError, match="depths needs at most 8 stages; got 9"):
        PyramidViTConfig(**many)


def test_pooling_takes_images_of_any_size():
    assert PyramidViT(**{**TINY, "image_size": (5, 3), "use_pooling": True}).output_shape == (None, 3)


def test_a_wrong_number_of_channels_is_told(rng):
    with pytest.raises(ValueError, match=r"PyramidViT needs images \(batch, 16, 24, 3\); got shape \(2, 16, 24, 1\)"):
        PyramidViT(**TINY)(rng.normal(size=(2, 16, 24, 1)).astype("float32"))


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    with pytest.raises(ValueError, match="OverlappingPatchEmbedding needs images as"):
        PyramidViT(**TINY)
