"""Rotary positions against angles computed one by one."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import EVAConfig
from keras_vit.layers import LearnedRotaryPositions, RotaryPositions
from keras_vit.layers.rotary_positions import rotate
from tests import rotary_reference
from tests.layers import checks

GRID = (1, 3, 4, 8)  # of which rows and columns alone are read

KINDS = [
    {},
    {"temperature": 100.0, "coordinates": "centred"},
    {"coordinates": "centred", "offset": 0.25},
    {"reference_grid": (16, 16), "num_prefix_tokens": 2},
    {"reference_grid": (2, 7), "offset": 1.0, "is_column_first": True},
]


def config_of(head_dim=8, **settings):
    """The same in the words of a model, which the reference takes."""
    return EVAConfig(
        image_size=None,
        embed_dim=2 * head_dim,
        num_heads=2,
        depth=2,
        rotary=settings.get("coordinates", "patches"),
        rotary_temperature=settings.get("temperature", 10_000.0),
        rotary_grid=settings.get("reference_grid"),
        rotary_offset=settings.get("offset", 0.0),
        rotary_column_first=settings.get("is_column_first", False),
    )


def expected_rotations(angles, num_prefix_tokens=0):
    """(heads, patches, pairs) -> (tokens, heads, cosines and sines); prefix tokens have angles of zero."""
    angles = np.pad(angles.transpose(1, 0, 2), ((num_prefix_tokens, 0), (0, 0), (0, 0)))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_rotations_are_cosines_and_sines_of_each_angle(settings):
    rotations = checks.to_numpy(RotaryPositions(8, **settings)(np.zeros(GRID, "float32")))
    angles = rotary_reference.patch_angles(config_of(**settings), 3, 4, None)[0, :1]
    expected = expected_rotations(angles, settings.get("num_prefix_tokens", 0))
    np.testing.assert_allclose(rotations, expected, atol=1e-6)


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_a_grid_known_late_has_the_same_rotations(settings):
    layer = RotaryPositions(8, **settings)
    patches = keras.Input((None, None, 8))
    model = keras.Model(patches, [layer(patches), ops.zeros_like(patches)])
    assert model.output[0].shape == (None, 1, 8)
    zeros = np.zeros(GRID, "float32")
    np.testing.assert_allclose(checks.to_numpy(model(zeros)[0]), checks.to_numpy(layer(zeros)), atol=2e-6)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        late = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 8))])(zeros)
        np.testing.assert_allclose(checks.to_numpy(late), checks.to_numpy(layer(zeros)), atol=2e-6)


@pytest.mark.parametrize("is_column_first", [False, True])
def test_learned_frequencies_make_angles_of_both_axes(is_column_first, randomise):
    layer = LearnedRotaryPositions(2, 2, 8, is_column_first=is_column_first, num_prefix_tokens=1)
    layer.build(GRID)
    randomise(layer)
    found = layer(np.zeros(GRID, "float32"))
    config = config_of(is_column_first=is_column_first).replace(rotary="learned")
    angles = rotary_reference.patch_angles(config, 3, 4, checks.to_numpy(layer.frequencies.value).astype("float64"))
    assert len(found) == 2
    for rotations, own in zip(found, angles, strict=True):
        np.testing.assert_allclose(checks.to_numpy(rotations), expected_rotations(own, 1), atol=1e-6)


def test_learned_frequencies_start_as_turned_axes():
    layer = LearnedRotaryPositions(3, 2, 8, temperature=10.0)
    layer.build(GRID)
    first, second = checks.to_numpy(layer.frequencies.value)
    lengths = np.sqrt(first**2 + second**2)
    np.testing.assert_allclose(lengths, np.broadcast_to([1, 10**-0.5, 1, 10**-0.5], lengths.shape), rtol=1e-5)
    assert len(np.unique(first)) == first.size


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_rotations_stay_float32_in_half_precision(policy):
    half = np.zeros(GRID, "float16")
    layers = (RotaryPositions(8, dtype=policy), LearnedRotaryPositions(1, 1, 8, dtype=policy))
    for rotations in (layers[0](half), layers[1](half)[0]):
        assert keras.backend.standardize_dtype(rotations.dtype) == "float32"
    assert layers[0](keras.KerasTensor(GRID, dtype="float16")).dtype == "float32"


@pytest.mark.parametrize("pairing", ["neighbours", "halves"])
def test_pairs_of_channels_are_turned(pairing, rng):
    vectors, angles = rng.normal(size=(2, 3, 2, 8)), rng.normal(size=(3, 2, 4))
    rotations = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1).astype("float32")
    turned = checks.to_numpy(rotate(ops.convert_to_tensor(vectors, "float32"), rotations, pairing))
    expected = np.zeros_like(vectors)
    for index in np.ndindex(2, 3, 2):
        expected[index] = rotary_reference.turned(vectors[index], angles[index[1:]], pairing)
    np.testing.assert_allclose(turned, expected, atol=1e-6)


def test_products_of_turned_vectors_depend_on_the_distance_alone(rng):
    """Su et al., 2021, arXiv 2104.09864, equation 11."""
    query, key = (ops.convert_to_tensor(rng.normal(size=8), "float32") for _ in range(2))
    rotations = RotaryPositions(8)(np.zeros((1, 6, 1, 8), "float32"))
    everywhere = [rotate(ops.broadcast_to(each, (1, 6, 1, 8)), rotations, "halves") for each in (query, key)]
    queries, keys = (checks.to_numpy(each)[0, :, 0] for each in everywhere)
    products = queries @ keys.T
    for distance in range(6):
        along = np.diagonal(products, distance)
        np.testing.assert_allclose(along, along[0], atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [RotaryPositions(8, reference_grid=(2, 3)), LearnedRotaryPositions(2, 2, 8, num_prefix_tokens=1)],
    ids=["fixed", "learned"],
)
def test_its_config_makes_it_again(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(type(layer)) == f"keras_vit>{type(layer).__name__}"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RotaryPositions(6), "RotaryPositions needs head_dim to be a multiple of 4; got head_dim=6"),
        (lambda: RotaryPositions(8, temperature=1.0), "needs temperature > 1 and num_prefix_tokens >= 0"),
        (lambda: RotaryPositions(8, coordinates="pixels"), "needs coordinates to be one of"),
        (lambda: RotaryPositions(8, reference_grid=(0, 2)), "needs reference_grid as two numbers >= 1"),
        (lambda: LearnedRotaryPositions(0, 2, 8), "LearnedRotaryPositions needs depth and num_heads >= 1"),
        (lambda: LearnedRotaryPositions(1, 2, 2), "LearnedRotaryPositions needs head_dim to be a multiple of 4"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_two_turns_lie_between_the_edges_of_an_image():
    """DINOv3's coordinates go from -1 to 1, times 2 pi, and its first frequency is 1."""
    rotations = checks.to_numpy(RotaryPositions(4, coordinates="centred")(np.zeros((1, 8, 1, 4), "float32")))
    angles = np.unwrap(np.arctan2(rotations[:, 0, 2], rotations[:, 0, 0]))
    np.testing.assert_allclose(np.diff(angles), 4 * math.pi / 8, rtol=1e-5)
