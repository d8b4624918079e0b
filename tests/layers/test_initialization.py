"""Starting values, and leaving them out where a checkpoint follows."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit.layers import AttentionPooling, TransformerEncoder
from keras_vit.layers.initialization import (
    Skippable,
    draw_skipped,
    glorot_uniform,
    lecun_normal,
    normal,
    skip_initialization,
)


def draw(initializer):
    return np.array(ops.convert_to_numpy(initializer((40, 50), "float32")))


def test_patches_of_unit_variance_become_vectors_of_unit_variance():
    kernel = np.array(ops.convert_to_numpy(lecun_normal()((16, 16, 3, 64), "float32")))
    patches = np.random.default_rng(1).normal(size=(500, 768))
    assert (patches @ kernel.reshape(768, 64)).std() == pytest.approx(1, rel=0.03)


def test_glorot_uniform_fills_its_range():
    values = draw(glorot_uniform())
    limit = np.sqrt(6 / 90)
    assert np.abs(values).max() <= limit
    assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_normal_has_its_spread():
    assert draw(normal(stddev=0.02)).std() == pytest.approx(0.02, rel=0.05)


def test_values_are_zero_only_while_skipping():
    initializer = glorot_uniform()
    with skip_initialization():
        assert not draw(initializer).any()
    assert draw(initializer).any()


def test_skipping_ends_with_an_error():
    with pytest.raises(KeyError), skip_initialization():
        raise KeyError
    assert draw(glorot_uniform()).any()


def test_skipping_can_be_nested():
    with skip_initialization():
        with skip_initialization():
            pass
        assert not draw(glorot_uniform()).any()


def test_every_large_weight_of_a_layer_can_be_skipped():
    layer = TransformerEncoder(2, 16, use_qk_norm=True, layer_scale_init=0.1)
    with skip_initialization():
        layer.build((None, 5, 8))
    kernels = [weight for weight in layer.weights if weight.path.endswith("kernel")]
    assert len(kernels) == 4
    assert not any(np.any(ops.convert_to_numpy(kernel.value)) for kernel in kernels)


def test_only_the_named_weights_are_drawn_later():
    layer = AttentionPooling(2, 128)
    with skip_initialization():
        layer.build((None, 5, 64))
    wanted = {weight.path for weight in layer.weights if weight.path.endswith(("latent", "mlp/expand/kernel"))}
    draw_skipped(layer, wanted)
    values = {weight.path: np.array(ops.convert_to_numpy(weight.value)) for weight in layer.weights}
    drawn = {path for path, value in values.items() if value.std() > 0}
    assert drawn == wanted
    latent, kernel = (values[path] for path in sorted(wanted))
    assert latent.std() == pytest.approx(64**-0.5, rel=0.3)
    assert kernel.std() == pytest.approx((2 / (64 + 128)) ** 0.5, rel=0.05)  # Glorot and Bengio, 2010, equation 16


def test_weights_that_share_an_initializer_get_numbers_of_their_own():
    initializer = glorot_uniform()
    assert not np.array_equal(draw(initializer), draw(initializer))


def test_equal_seeds_give_equal_values():
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        drawn.append([draw(glorot_uniform()), draw(normal(0.1)), draw(normal(0.1))])
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    np.testing.assert_array_equal(drawn[0][1], drawn[1][1])
    assert not np.array_equal(drawn[0][1], drawn[0][2])


def test_a_clone_draws_like_its_original():
    initializer = Skippable(keras.initializers.RandomNormal(seed=3))
    np.testing.assert_array_equal(draw(initializer.clone()), draw(initializer))
