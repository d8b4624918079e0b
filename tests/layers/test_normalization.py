"""Norms by name, against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import (
    MLP,
    AttentionPooling,
    ClassificationHead,
    MultiHeadSelfAttention,
    SwiGLU,
    TransformerEncoder,
)
from keras_vit.layers.normalization import NORMS, make_norm
from tests import numpy_reference
from tests.layers import checks


@pytest.mark.parametrize("epsilon", [1e-6, 1e-1])
@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("shape", [(2, 5, 8), (2, 3, 4, 8), (3, 8)])
def test_values_equal_numpy(rng, randomise, kind, epsilon, shape):
    tokens = rng.normal(loc=0.5, size=shape).astype("float32")
    layer = make_norm(kind, epsilon, name="norm", dtype="float32")
    layer.build(shape)
    randomise(layer)
    weights = numpy_reference.weights_of(layer)
    expected = numpy_reference.norm(tokens, weights, norm=kind, norm_epsilon=epsilon)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=1e-5)


@pytest.mark.parametrize(("kind", "names"), [("layer_norm", {"gamma", "beta"}), ("rms_norm", {"scale"})])
def test_only_layer_norm_has_an_offset(kind, names):
    layer = make_norm(kind, 1e-6, name="norm", dtype="float32")
    layer.build((None, 5, 8))
    assert set(numpy_reference.weights_of(layer)) == names


def test_name_and_dtype_are_those_asked_for():
    for kind in NORMS:
        layer = make_norm(kind, 1e-6, name="attention_norm", dtype="mixed_bfloat16")
        assert (layer.name, layer.dtype_policy.name) == ("attention_norm", "mixed_bfloat16")


@pytest.mark.parametrize(
    ("layer", "arguments", "argument"),
    [
        (MLP, {"mlp_dim": 4}, "sub_norm"),
        (SwiGLU, {"mlp_dim": 4}, "sub_norm"),
        (MultiHeadSelfAttention, {"num_heads": 2}, "norm"),
        (AttentionPooling, {"num_heads": 2, "mlp_dim": 4}, "norm"),
        (ClassificationHead, {"num_classes": 3}, "norm"),
        (TransformerEncoder, {"num_heads": 2, "mlp_dim": 4}, "norm"),
    ],
)
@pytest.mark.parametrize("name", ["batch_norm", ""])
def test_an_unknown_norm_is_refused_at_once_even_where_none_is_used(layer, arguments, argument, name):
    message = rf"{layer.__name__} needs {argument} to be one of \('layer_norm', 'rms_norm'\); got {argument}='{name}'"
    with pytest.raises(ValueError, match=message):
        layer(**arguments, **{argument: name})
