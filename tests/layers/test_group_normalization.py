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


def test_it_is_saved_as_a_layer_of_this_package():
    layer = GroupNormalization(4, epsilon=1e-5, name="norm")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is GroupNormalization
    assert again.get_config() == layer.get_config()
