"""Patch embedding against one explicit product per patch."""

import keras
import numpy as np
import pytest

from keras_vit.layers import PatchEmbedding
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=PatchEmbedding,
    arguments={"patch_size": (2, 4), "embed_dim": 6, "pad": False},
    shape=(2, 4, 8, 3),
    dynamic_shape=(None, None, None, 3),
)
PAD_CASE = checks.Case(
    layer=PatchEmbedding,
    arguments={"patch_size": (2, 4), "embed_dim": 6, "pad": True},
    shape=(2, 5, 7, 3),
    dynamic_shape=(None, None, None, 3),
)
DROP_CASE = checks.Case(
    layer=PatchEmbedding,
    arguments={"patch_size": (2, 4), "embed_dim": 6, "drop_remainder": True, "use_bias": False},
    shape=(2, 5, 7, 3),
    dynamic_shape=(None, None, None, 3),
)


@pytest.mark.parametrize("case", [CASE, PAD_CASE, DROP_CASE], ids=["exact", "pad", "drop"])
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


def make(randomise, shape, *arguments, **settings):
    layer = PatchEmbedding(*arguments, **settings)
    layer.build(shape)
    randomise(layer)
    return layer


@pytest.mark.parametrize(
    ("patch_size", "size", "channels"),
    [(4, (8, 12), 3), ((2, 3), (6, 6), 1), (1, (2, 3), 5), ((8, 4), (8, 4), 3)],
)
def test_outputs_equal_one_product_per_patch(rng, randomise, patch_size, size, channels):
    images = rng.normal(size=(2, *size, channels)).astype("float32")
    layer = make(randomise, images.shape, patch_size, 6)
    expected = numpy_reference.patches(images, numpy_reference.weights_of(layer))
    outputs = checks.to_numpy(layer(images))
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_without_bias_the_products_stay_as_they_are(rng, randomise):
    images = rng.normal(size=(2, 8, 4, 3)).astype("float32")
    layer = make(randomise, images.shape, 4, 6, use_bias=False)
    weights = numpy_reference.weights_of(layer)
    assert set(weights) == {"kernel"}
    expected = numpy_reference.patches(images, weights, use_bias=False)
    np.testing.assert_allclose(checks.to_numpy(layer(images)), expected, atol=1e-5)


def test_the_kernel_is_height_width_channels_width():
    layer = PatchEmbedding((2, 4), 6)
    layer.build((None, 8, 8, 3))
    assert layer.kernel.shape == (2, 4, 3, 6)


@pytest.mark.parametrize("size", [(5, 7), (4, 7), (5, 8), (1, 1), (4, 8)])
def test_padding_equals_zeros_at_the_bottom_and_right(rng, randomise, size):
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    layer = make(randomise, images.shape, (2, 4), 6, pad=True)
    by_hand = numpy_reference.pad(images, (2, 4))
    expected = numpy_reference.patches(by_hand, numpy_reference.weights_of(layer))
    np.testing.assert_allclose(checks.to_numpy(layer(images)), expected, atol=1e-5)
    np.testing.assert_array_equal(checks.to_numpy(layer(by_hand)), checks.to_numpy(layer(images)))


@pytest.mark.parametrize("size", [(5, 7), (4, 7), (5, 8), (3, 4), (4, 8)])
def test_what_whole_patches_do_not_cover_is_left_out(rng, randomise, size):
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    layer = make(randomise, images.shape, (2, 4), 6, drop_remainder=True)
    by_hand = images[:, : size[0] // 2 * 2, : size[1] // 4 * 4]
    expected = numpy_reference.patches(by_hand, numpy_reference.weights_of(layer))
    np.testing.assert_allclose(checks.to_numpy(layer(images)), expected, atol=1e-5)
    np.testing.assert_array_equal(checks.to_numpy(layer(by_hand)), checks.to_numpy(layer(images)))


def test_the_grid_without_a_remainder_is_that_of_siglip():
    # 27 x 27 in timm's vit_so400m_patch14_siglip_384, whose patches end 6 pixels before the edge.
    assert PatchEmbedding(14, 6, drop_remainder=True).compute_output_shape((None, 384, 384, 3)) == (None, 27, 27, 6)
    assert PatchEmbedding(14, 6, pad=True).compute_output_shape((None, 384, 384, 3)) == (None, 28, 28, 6)


@pytest.mark.parametrize("size", [(3, 8), (8, 3)])
def test_an_image_smaller_than_one_patch_is_refused(size):
    message = rf"at least one patch; got image_size=\({size[0]}, {size[1]}\), patch_size=\(4, 4\)"
    for images in (np.zeros((1, *size, 3), "float32"), keras.Input((*size, 3))):
        with pytest.raises(ValueError, match=message):
            PatchEmbedding(4, 6, drop_remainder=True)(images)


@pytest.mark.parametrize("size", [(9, 8), (8, 9), (2, 2)])
def test_a_size_that_patches_do_not_divide_is_refused_with_both_sizes(size):
    message = rf"image_size=\({size[0]}, {size[1]}\), patch_size=\(4, 4\).*pad=True"
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(4, 6)(np.zeros((1, *size, 3), "float32"))
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(4, 6)(keras.Input((*size, 3)))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces with unknown sizes")
@pytest.mark.parametrize("remainder", ["pad", "drop_remainder"])
def test_one_trace_serves_every_size(rng, randomise, remainder, jit_compile):
    import tensorflow as tf

    layer = make(randomise, (None, None, None, 3), (2, 4), 6, **{remainder: True})
    traced = tf.function(
        lambda images: layer(images), input_signature=[tf.TensorSpec((None, None, None, 3))], jit_compile=jit_compile
    )
    for size in [(5, 7), (4, 8), (2, 9)]:
        images = rng.normal(size=(2, *size, 3)).astype("float32")
        np.testing.assert_allclose(traced(images).numpy(), layer(images).numpy(), atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces with unknown sizes")
def test_a_wrong_size_is_refused_even_where_it_is_known_late():
    import tensorflow as tf

    layer = PatchEmbedding(4, 6)
    layer.build((None, None, None, 3))
    traced = tf.function(lambda images: layer(images), input_signature=[tf.TensorSpec((None, None, None, 3))])
    assert traced(np.zeros((1, 8, 12, 3), "float32")).shape == (1, 2, 3, 6)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"patch_size=\(4, 4\) divides; got image_size=.*9 8"):
        traced(np.zeros((1, 9, 8, 3), "float32"))


def test_images_of_other_channels_are_refused():
    layer = PatchEmbedding(2, 6)
    layer.build((None, 4, 4, 1))
    # 3 divides 6: TensorFlow would take this for a grouped convolution.
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 1"):
        layer(np.zeros((1, 4, 4, 3), "float32"))


def test_images_without_batch_are_refused():
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=3"):
        PatchEmbedding(2, 6)(np.zeros((4, 4, 3), "float32"))


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    with pytest.raises(ValueError, match=r"PatchEmbedding needs images as \(batch, height, width, channels\)"):
        PatchEmbedding(2, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 0, "embed_dim": 6}, "sizes >= 1; got patch_size=0, embed_dim=6"),
        ({"patch_size": (2, -1), "embed_dim": 6}, r"sizes >= 1; got patch_size=\(2, -1\)"),
        ({"patch_size": (2, 2, 2), "embed_dim": 6}, r"sizes >= 1; got patch_size=\(2, 2, 2\)"),
        ({"patch_size": 2, "embed_dim": 0}, "sizes >= 1; got .*embed_dim=0"),
        ({"patch_size": 2, "embed_dim": 6, "pad": True, "drop_remainder": True}, "pad or drop_remainder, not both"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(**arguments)
