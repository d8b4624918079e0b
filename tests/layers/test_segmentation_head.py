"""The segmentation head against NumPy, and against Keras' resize where both interpolate alike."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit.layers import SegmentationHead
from tests import numpy_reference
from tests.layers.checks import to_numpy


def make(randomise, strides, widths, num_classes=3):
    head = SegmentationHead(num_classes, strides)
    head.build([(None, None, None, width) for width in widths], (None, None, None, 1))
    randomise(head)
    return head


def interpolate(values, size, scale):
    """Bilinear by hand, pixel by pixel: between the middles of the four nearest places, the outermost repeated."""
    _, rows, columns, _ = values.shape
    out = np.zeros((len(values), *size, values.shape[-1]))
    for row in range(size[0]):
        for column in range(size[1]):
            y = min(max((row + 0.5) / scale - 0.5, 0), rows - 1)
            x = min(max((column + 0.5) / scale - 0.5, 0), columns - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            upper = (1 - (x - left)) * values[:, top, left] + (x - left) * values[:, top, right]
            lower = (1 - (x - left)) * values[:, bottom, left] + (x - left) * values[:, bottom, right]
            out[:, row, column] = (1 - (y - top)) * upper + (y - top) * lower
    return out


@pytest.mark.parametrize("size", [(8, 12), (7, 10), (9, 13)], ids=["exact", "padded", "remainder"])
def test_the_logits_of_patches_are_interpolated(randomise, rng, size):
    head = make(randomise, [4], [5])
    patches = rng.normal(size=(2, 2, 3, 5)).astype("float32")
    weights = numpy_reference.weights_of(head)
    scores = numpy_reference.norm(patches, numpy_reference.part(weights, "norm_0"))
    scores = numpy_reference.dense(scores, numpy_reference.part(weights, "logits_0"))
    logits = to_numpy(head([patches], np.zeros((2, *size, 1), "float32")))
    np.testing.assert_allclose(logits, interpolate(scores, size, 4), rtol=1e-4, atol=1e-5)
    if size == (8, 12):
        resized = to_numpy(ops.image.resize(scores.astype("float32"), size, "bilinear"))
        np.testing.assert_allclose(logits, resized, rtol=1e-4, atol=1e-5)


def test_the_maps_of_several_strides_are_added(randomise, rng):
    head = make(randomise, [2, 8], [4, 5])
    fine, coarse = rng.normal(size=(2, 8, 8, 4)).astype("float32"), rng.normal(size=(2, 2, 2, 5)).astype("float32")
    images = np.zeros((2, 16, 16, 1), "float32")
    weights = numpy_reference.weights_of(head)
    scores = [
        numpy_reference.dense(
            numpy_reference.norm(patches, numpy_reference.part(weights, f"norm_{index}")),
            numpy_reference.part(weights, f"logits_{index}"),
        )
        for index, patches in enumerate((fine, coarse))
    ]
    expected = interpolate(scores[0] + interpolate(scores[1], (8, 8), 4), (16, 16), 2)
    np.testing.assert_allclose(to_numpy(head([fine, coarse], images)), expected, rtol=1e-4, atol=1e-5)


def test_open_sizes_half_precision_and_a_saved_head_give_float32_logits(randomise, rng, tmp_path):
    images, patches = keras.Input((None, None, 1)), keras.Input((None, None, 5))
    head = SegmentationHead(3, [4], dtype="mixed_bfloat16")
    model = keras.Model((images, patches), head([patches], images))
    assert model.output.shape == (None, None, None, 3)
    assert model.output.dtype == "float32"
    randomise(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    batch = [np.zeros((2, 8, 12, 1), "float32"), rng.normal(size=(2, 2, 3, 5)).astype("float32")]
    logits = again.predict(batch, verbose=0)
    assert logits.dtype == "float32"
    assert logits.shape == (2, 8, 12, 3)
    np.testing.assert_array_equal(logits, model.predict(batch, verbose=0))


@pytest.mark.parametrize(
    ("num_classes", "strides", "num_maps", "message"),
    [
        (0, [4], 1, "num_classes >= 1"),
        (3, [4, 6], 2, "multiples of the smallest"),
        (3, [], 0, "multiples of the smallest"),
        (3, [4, 8], 1, "got 1 maps"),
    ],
)
def test_what_does_not_fit_is_refused(num_classes, strides, num_maps, message):
    with pytest.raises(ValueError, match=message):
        SegmentationHead(num_classes, strides).build([(None, 2, 2, 5)] * num_maps, (None, 8, 8, 1))
