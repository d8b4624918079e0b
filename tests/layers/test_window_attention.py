"""Attention inside windows against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import WindowAttention
from tests import numpy_reference, swin_reference
from tests.layers import checks

CASES = {
    similarity: checks.Case(
        layer=WindowAttention,
        arguments={
            "num_heads": 2,
            "window_size": (2, 3),
            "similarity": similarity,
            "attention_dropout_rate": 0.1,
            "dropout_rate": 0.1,
            "seed": 3,
        },
        shape=(4, 6, 8),
        dynamic_shape=(None, 6, 8),
        without_gradient=(),
    )
    for similarity in ("dot", "cosine")
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.mark.parametrize("use_qkv_bias", [True, False])
@pytest.mark.parametrize("similarity", CASES)
def test_attention_scores_equal_numpy(similarity, use_qkv_bias, randomise, rng):
    layer = WindowAttention(2, (2, 3), similarity=similarity, use_qkv_bias=use_qkv_bias)
    layer.build((None, 6, 8))
    randomise(layer)
    windows = rng.normal(size=(4, 6, 8)).astype("float32")
    hidden = np.where(rng.uniform(size=(2, 6, 6)) < 0.3, -100.0, 0.0).astype("float32")
    logits, _ = swin_reference.logits_of(
        windows, numpy_reference.weights_of(layer), 2, (2, 3), similarity=similarity, use_qkv_bias=use_qkv_bias
    )
    expected = numpy_reference.softmax(logits)
    np.testing.assert_allclose(checks.to_numpy(layer.attention_scores(windows)), expected, atol=1e-5)
    masked = numpy_reference.softmax(logits + np.tile(hidden, (2, 1, 1))[:, None])
    np.testing.assert_allclose(checks.to_numpy(layer.attention_scores(windows, hidden)), masked, atol=1e-5)


def test_scales_of_angles_end_at_a_hundred(rng):
    layer = WindowAttention(1, (1, 2), similarity="cosine")
    layer.build((None, 2, 4))
    windows = rng.normal(size=(1, 2, 4)).astype("float32")
    scores = []
    for log_scale in (np.log(100), 20.0):
        layer.log_scale.assign(np.full((1, 1, 1), log_scale))
        scores.append(checks.to_numpy(layer.attention_scores(windows)))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 0}, "WindowAttention needs num_heads >= 1; got num_heads=0"),
        ({"num_heads": 1, "similarity": "angle"}, "WindowAttention needs similarity .* got similarity='angle'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        WindowAttention(**arguments, window_size=(2, 2))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="num_heads=3, embed_dim=8"):
        WindowAttention(3, (2, 2)).build((None, 4, 8))
