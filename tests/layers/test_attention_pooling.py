"""Attention pooling against NumPy, head by head."""

import numpy as np
import pytest

from keras_vit.layers import AttentionPooling
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=AttentionPooling,
    arguments={"num_heads": 2, "mlp_dim": 12, "activation": "gelu_tanh", "norm_epsilon": 1e-5},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)
RMS_CASE = checks.Case(
    layer=AttentionPooling,
    arguments={"num_heads": 2, "mlp_dim": 12, "norm": "rms_norm"},
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)


@pytest.mark.parametrize("case", [CASE, RMS_CASE], ids=["layer_norm", "rms_norm"])
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.mark.parametrize("num_heads", [1, 4])
@pytest.mark.parametrize(
    "settings", [{}, {"activation": "quick_gelu", "norm_epsilon": 1e-2}, {"norm": "rms_norm"}], ids=str
)
def test_outputs_equal_numpy(rng, randomise, num_heads, settings):
    tokens = rng.normal(size=(3, 5, 8)).astype("float32")
    layer = AttentionPooling(num_heads, 12, **settings)
    layer.build(tokens.shape)
    randomise(layer)
    weights = numpy_reference.weights_of(layer)
    expected = numpy_reference.attention_pooling(tokens, weights, num_heads, **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)


def test_the_order_of_tokens_does_not_matter(rng):
    tokens = rng.normal(size=(2, 5, 8)).astype("float32")
    layer = AttentionPooling(2, 12)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), checks.to_numpy(layer(tokens[:, ::-1])), atol=1e-5)


def test_the_query_starts_with_length_one():
    layer = AttentionPooling(2, 12)
    layer.build((None, 5, 512))
    assert np.linalg.norm(checks.to_numpy(layer.latent.value)) == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize("num_heads", [0, 3])
def test_heads_that_do_not_divide_the_width_are_refused(num_heads):
    with pytest.raises(ValueError, match=f"AttentionPooling needs .* got num_heads={num_heads}, embed_dim=8"):
        AttentionPooling(num_heads, 12).build((None, 5, 8))
