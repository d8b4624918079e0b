"""Activation functions by name."""

import numpy as np
import pytest
from keras import ops

from keras_vit.layers.activations import ACTIVATIONS, get_activation
from tests import numpy_reference


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_values_equal_the_formula(name):
    features = np.linspace(-6, 6, 101).astype("float32")
    outputs = ops.convert_to_numpy(get_activation(name)(ops.convert_to_tensor(features)))
    np.testing.assert_allclose(outputs, numpy_reference.ACTIVATIONS[name](features.astype("float64")), atol=1e-6)


def test_the_forms_of_gelu_differ():
    features = ops.convert_to_tensor([-2.0, -0.5, 1.5])
    values = [ops.convert_to_numpy(get_activation(name)(features)) for name in ("gelu", "gelu_tanh", "quick_gelu")]
    assert 1e-4 < np.abs(values[0] - values[1]).max() < 1e-3
    assert 5e-3 < np.abs(values[0] - values[2]).max() < 3e-2


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of \['gelu', 'gelu_tanh', 'quick_gelu', 'silu'\]; got .*'relu'"):
        get_activation("relu")
