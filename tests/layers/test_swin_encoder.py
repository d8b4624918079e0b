"""One encoder layer of a Swin Transformer against NumPy."""

import keras
import numpy as np
import pytest

from keras_vit.layers import SwinEncoder
from tests import numpy_reference, swin_reference
from tests.layers import checks

RATES = {"dropout_rate": 0.1, "attention_dropout_rate": 0.1, "drop_path_rate": 0.2}
V2 = {"order": "post_norm", "similarity": "cosine"}
CASES = {
    "v1": checks.Case(
        layer=SwinEncoder,
        arguments={
            "num_heads": 2,
            "mlp_dim": 12,
            "window_size": (3, 4),
            "shift_size": (1, 2),
            "norm_epsilon": 1e-4,
            "seed": 3,
            **RATES,
        },
        shape=(2, 4, 8, 8),
        dynamic_shape=(None, None, None, 8),
    ),
    "v2": checks.Case(
        layer=SwinEncoder,
        arguments={
            "num_heads": 2,
            "mlp_dim": 12,
            "window_size": (2, 3),
            "shift_size": (1, 1),
            "pretrained_window_size": 4,
            "use_qkv_bias": False,
            **V2,
            **RATES,
        },
        shape=(2, 4, 6, 8),
        dynamic_shape=(None, None, None, 8),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


# Windows that fit, that reach beyond the grid, and one that covers an axis.
@pytest.mark.parametrize(
    ("size", "window", "shift"),
    [((4, 6), (2, 3), (0, 0)), ((4, 6), (2, 3), (1, 2)), ((5, 7), (3, 3), (1, 1)), ((3, 8), (3, 4), (0, 2))],
)
@pytest.mark.parametrize("settings", [{}, V2], ids=["v1", "v2"])
def test_outputs_and_scores_equal_numpy(settings, size, window, shift, randomise, rng):
    layer = SwinEncoder(2, 12, window, shift_size=shift, **settings)
    patches = rng.normal(size=(2, *size, 8)).astype("float32")
    layer.build(patches.shape)
    randomise(layer)
    weights = numpy_reference.weights_of(layer)
    expected = swin_reference.encoder(patches, weights, 2, window, shift, **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(patches)), expected, atol=1e-4)

    similarity = settings.get("similarity", "dot")
    normed = patches.astype("float64")
    if not settings:
        normed = swin_reference.layer_norm(normed, numpy_reference.part(weights, "attention_norm"), 1e-5)
    attention = numpy_reference.part(weights, "attention")
    _, scores = swin_reference.attend(normed, attention, 2, window, shift, similarity=similarity)
    np.testing.assert_allclose(checks.to_numpy(layer.attention_scores(patches)), scores, atol=1e-5)


def test_a_shift_is_left_out_where_one_window_covers_an_axis(randomise, rng):
    layer, plain = SwinEncoder(2, 12, (4, 4), shift_size=(2, 2)), SwinEncoder(2, 12, (4, 4))
    patches = rng.normal(size=(2, 4, 3, 8)).astype("float32")
    for each in (layer, plain):
        each.build(patches.shape)
    randomise(layer)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(checks.to_numpy(layer(patches)), checks.to_numpy(plain(patches)))


@pytest.mark.parametrize("size", [(8, 12), (4, 9), (3, 4)])
def test_sizes_known_only_at_call_time_give_the_same(size, randomise, rng):
    layer = SwinEncoder(2, 12, (4, 4), shift_size=(2, 2))
    inputs = keras.Input((None, None, 8))
    model = keras.Model(inputs, layer(inputs))
    randomise(model)
    patches = rng.normal(size=(2, *size, 8)).astype("float32")
    np.testing.assert_allclose(model.predict(patches, verbose=0), checks.to_numpy(layer(patches)), atol=1e-5)


def test_norms_behind_branches_start_at_zero(rng):
    layer = SwinEncoder(2, 12, (2, 2), **V2)
    patches = rng.normal(size=(1, 4, 4, 8)).astype("float32")
    np.testing.assert_array_equal(checks.to_numpy(layer(patches)), patches)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "parallel"}, "SwinEncoder needs order to be one of .* got order='parallel'"),
        ({"shift_size": (4, 0)}, r"SwinEncoder needs 0 <= shift_size < window_size; got shift_size=\(4, 0\)"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SwinEncoder(2, 12, (4, 4), **arguments)
