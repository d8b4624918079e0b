"""An encoder layer with rotary positions against NumPy."""

import keras
import numpy as np
import pytest

from keras_vit.layers import LearnedRotaryPositions, RotaryEncoder, RotaryPositions
from tests import numpy_reference, rotary_reference
from tests.layers import checks

CASE = checks.Case(
    layer=RotaryEncoder,
    arguments={
        "num_heads": 2,
        "mlp_dim": 6,
        "mlp": "swiglu",
        "use_key_bias": False,
        "use_attention_sub_norm": True,
        "use_mlp_sub_norm": True,
        "layer_scale_init": 0.5,
        "dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "drop_path_rate": 0.1,
        "norm_epsilon": 1e-5,
        "seed": 3,
    },
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)

SETTINGS = [
    {},
    {"mlp": "swiglu", "use_key_bias": False, "use_mlp_sub_norm": True},
    {"use_attention_sub_norm": True, "layer_scale_init": 0.1},
    {"layer_scale_init": 0.1, "use_mlp_scale": False, "norm": "rms_norm", "use_qk_norm": True},
    {"order": "post_norm", "num_key_value_heads": 1},
    {"pairing": "halves", "use_qkv_bias": False, "use_key_bias": False, "norm_epsilon": 1e-3},
]


@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_outputs_equal_numpy(rng, randomise, settings):
    layer = RotaryEncoder(2, 6, **settings)
    layer.build((None, 5, 8))
    randomise(layer)
    tokens, angles = rng.normal(size=(2, 5, 8)).astype("float32"), rng.normal(size=(5, 1, 2)).astype("float32")
    rotations = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
    weights, both_heads = numpy_reference.weights_of(layer), np.repeat(angles.transpose(1, 0, 2), 2, axis=0)
    settings = {"num_heads": 2, "pairing": "neighbours", **settings}
    expected = rotary_reference.encoder(tokens, weights, both_heads, **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens, rotations)), expected, atol=2e-5)

    scores = checks.to_numpy(layer.attention_scores(tokens, rotations))
    own = {name: array for name, array in weights.items() if name.startswith("attention_norm/")}
    normed = tokens
    if settings.get("order") != "post_norm":
        normed = numpy_reference.norm(tokens, numpy_reference.part(own, "attention_norm"), **settings)
    attention = numpy_reference.part(weights, "attention")
    np.testing.assert_allclose(
        scores, rotary_reference.attention_scores(normed, attention, both_heads, **settings), atol=1e-6
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_angles_keep_their_digits_in_half_precision(policy, randomise):
    """Rounded angles at the far end of a large grid would turn vectors elsewhere."""
    patches = keras.Input((64, 1, 8))
    tokens = keras.layers.Reshape((64, 8))(patches)
    outputs = []
    for dtype in ("float32", policy):
        rotations = RotaryPositions(4, dtype=dtype)(patches)
        layer = RotaryEncoder(2, 6, dtype=dtype)
        outputs.append(layer(tokens, rotations))
        if dtype == "float32":
            randomise(layer)
            weights = layer.get_weights()
        else:
            layer.set_weights(weights)
    model = keras.Model(patches, outputs)
    images = np.random.default_rng(1).normal(size=(1, 64, 1, 8)).astype("float32")
    exact, half = (checks.to_numpy(keras.ops.cast(each, "float32")) for each in model(images))
    digits = {"mixed_float16": 0.01, "mixed_bfloat16": 0.08}
    np.testing.assert_allclose(half, exact, atol=digits[policy] * np.abs(exact).max())


def test_rotations_are_recomputed_with_the_rest(randomise):
    """Gradients reach learned frequencies through a layer that is computed a second time."""
    patches = keras.Input((2, 3, 8))
    rotations = LearnedRotaryPositions(1, 2, 4, name="rotary_positions")(patches)
    with keras.RematScope("list_of_layers", layer_names=["encoder_0"]):
        layer = RotaryEncoder(2, 6, dropout_rate=0.1, name="encoder_0")
        model = keras.Model(patches, layer(keras.layers.Reshape((6, 8))(patches), rotations[0]))
    randomise(model)
    before = checks.to_numpy(model.get_layer("rotary_positions").frequencies.value)
    model.compile("sgd", "mse")
    images = np.random.default_rng(1).normal(size=(4, 2, 3, 8)).astype("float32")
    model.train_on_batch(images, np.ones((4, 6, 8), "float32"))
    assert (checks.to_numpy(model.get_layer("rotary_positions").frequencies.value) != before).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": "parallel"}, "RotaryEncoder needs order to be one of"),
        ({"mlp": "relu"}, "RotaryEncoder needs mlp to be 'mlp' or 'swiglu'; got mlp='relu'"),
        ({"order": "post_norm", "layer_scale_init": 0.1}, "RotaryEncoder needs layer_scale_init=None"),
    ],
)
def test_wrong_arguments_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        RotaryEncoder(2, 6, **settings)
