"""Group normalisation against its formula."""

import keras
import numpy as np
import pytest

from keras_vit.layers.group_normalization import GroupNormalization
from tests import numpy_reference, stem_reference
from tests.layers import checks

CASE = checks.Case(
    layer=GroupNormalization,
    arguments={"groups": 2, "epsilon": 1e-4},
    shape=(2, 4, 5, 6),
    dynamic_shape=(None, None, None, 6),
)


@pytest.mark.parametrize("check", [check for check in checks.ALL if check is not checks.config_round_trip])
def test_shared_checks(check, tmp_path):
    check(CASE, tmp_path)


@pytest.mark.parametrize(("channels", "num_groups"), [(6, 2), (6, 6), (6, 1), (64, 32)])
def test_outputs_equal_the_formula(rng, randomise, channels, num_groups):
    maps = 3 + 2 * rng.normal(size=(2, 4, 5, channels)).astype("float32")
    layer = GroupNormalization(num_groups, epsilon=1e-3)
    layer.build(maps.shape)
    randomise(layer)
    expected = stem_reference.group_norm(maps, numpy_reference.weights_of(layer), num_groups, 1e-3)
    np.testing.assert_allclose(checks.to_numpy(layer(maps)), expected, atol=1e-5)


def test_large_means_cost_no_digits_but_those_of_the_maps(rng, randomise):
    maps = 1000 + rng.normal(size=(2, 8, 8, 8)).astype("float32")
    layer = GroupNormalization(4, epsilon=1e-5)
    layer.build(maps.shape)
    randomise(layer)
    expected = stem_reference.group_norm(maps.astype("float64"), numpy_reference.weights_of(layer), 4, 1e-5)
    np.testing.assert_allclose(checks.to_numpy(layer(maps)), expected, atol=5e-4)  # a float32 near 1000 has 6e-5


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="elsewhere gradients are derived")
@pytest.mark.parametrize("mean", [0, 100])
def test_gradients_are_those_of_pytorch_in_float64(rng, randomise, mean):
    import torch

    maps, slopes = (torch.from_numpy(rng.normal(size=(2, 4, 5, 6))) for _ in range(2))
    maps = (maps + mean).float().double().requires_grad_()
    layer = GroupNormalization(3, epsilon=1e-5)
    layer.build(maps.shape)
    randomise(layer)
    gamma, beta = (value.value.detach().double().requires_grad_() for value in (layer.gamma, layer.beta))
    norm = torch.nn.functional.group_norm(maps.permute(0, 3, 1, 2), 3, gamma, beta, 1e-5).permute(0, 2, 3, 1)
    expected = torch.autograd.grad((norm * slopes).sum(), (maps, gamma, beta))

    inputs = maps.detach().float().requires_grad_()
    variables = (layer.gamma.value, layer.beta.value)
    found = torch.autograd.grad((layer(inputs) * slopes.float()).sum(), (inputs, *variables))

    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5 if mean == 0 else 1e-3)


def test_it_is_saved_as_a_layer_of_this_package():
    layer = GroupNormalization(4, epsilon=1e-5, name="norm")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is GroupNormalization
    assert again.get_config() == layer.get_config()
