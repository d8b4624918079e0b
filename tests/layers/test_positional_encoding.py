"""Positions: exact on the table's own grid, antialiased bicubic on others."""

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_vit.layers import PositionalEncoding
from keras_vit.layers.initialization import skip_initialization
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=PositionalEncoding,
    arguments={"kind": "learned", "grid_size": (3, 4)},
    shape=(2, 3, 4, 8),
    dynamic_shape=(None, None, None, 8),
)
SINCOS_CASE = checks.Case(
    layer=PositionalEncoding,
    arguments={"kind": "sincos", "grid_size": (2, 5)},
    shape=(2, 4, 3, 8),
    dynamic_shape=(None, None, None, 8),
)
NONE_CASE = checks.Case(
    layer=PositionalEncoding,
    arguments={"kind": "none"},
    shape=(2, 3, 4, 8),
    dynamic_shape=(None, None, None, 8),
)

GRIDS = [(12, 16), (16, 12), (14, 7), (5, 20)]


@pytest.mark.parametrize("case", [CASE, SINCOS_CASE, NONE_CASE], ids=["learned", "sincos", "none"])
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.fixture
def layer(rng):
    layer = PositionalEncoding(grid_size=(14, 14))
    layer.build((None, 14, 14, 6))
    layer.table.assign(rng.normal(size=(14, 14, 6)).astype("float32"))
    return layer


def table_of(layer):
    return checks.to_numpy(layer.table.value)


def positions(layer, grid):
    """What the layer adds on a grid, (rows, columns, width)."""
    return checks.to_numpy(layer(np.zeros((1, *grid, 6), "float32")))[0].reshape(*grid, 6)


def test_the_own_grid_gets_the_table_as_it_is_row_by_row(rng, layer):
    patches = rng.normal(size=(2, 14, 14, 6)).astype("float32")
    np.testing.assert_array_equal(checks.to_numpy(layer(patches)), (patches + table_of(layer)).reshape(2, 196, 6))


@pytest.mark.parametrize("grid", GRIDS)
def test_other_grids_equal_keras_antialiased_bicubic(layer, grid):
    expected = ops.image.resize(
        layer.table.value, grid, interpolation="bicubic", antialias=True, data_format="channels_last"
    )
    np.testing.assert_allclose(positions(layer, grid), checks.to_numpy(expected), atol=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
def test_other_grids_equal_pil(layer, grid):
    rows, columns = grid
    channels = [Image.fromarray(table_of(layer)[..., channel]) for channel in range(6)]
    resized = [np.asarray(image.resize((columns, rows), Image.Resampling.BICUBIC)) for image in channels]
    np.testing.assert_allclose(positions(layer, grid), np.stack(resized, axis=-1), atol=1e-5)


def test_wide_and_tall_grids_of_as_many_tokens_differ(layer):
    wide, tall = (positions(layer, grid).reshape(-1, 6) for grid in [(12, 16), (16, 12)])
    assert wide.shape == tall.shape
    assert np.abs(wide - tall).max() > 0.5


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces with unknown sizes")
def test_one_trace_serves_every_grid_and_is_exact_on_the_own(rng, layer, jit_compile):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 6))], jit_compile=jit_compile)
    def outputs_and_gradient(patches):
        with tf.GradientTape() as tape:
            tokens = layer(patches)
            loss = tf.reduce_sum(tokens**2)
        return tokens, tape.gradient(loss, layer.table.value)

    for grid in [(12, 16), (14, 14), (7, 14)]:
        patches = rng.normal(size=(2, *grid, 6)).astype("float32")
        tokens, gradient = outputs_and_gradient(patches)
        assert np.abs(gradient.numpy()).min() > 0
        compare = np.testing.assert_array_equal if grid == (14, 14) else _close
        compare(tokens.numpy(), layer(patches).numpy())


def _close(actual, desired):
    np.testing.assert_allclose(actual, desired, atol=1e-5)


@pytest.mark.parametrize("grid", [(14, 14), (12, 16)])
def test_half_precision_rounds_the_positions_once(rng, grid):
    layers = [PositionalEncoding(grid_size=(14, 14), dtype=dtype) for dtype in ("float32", "mixed_bfloat16")]
    table = rng.normal(size=(14, 14, 6)).astype("float32")
    for layer in layers:
        layer.build((None, 14, 14, 6))
        layer.table.assign(table)
    exact, half = (positions(layer, grid) for layer in layers)
    np.testing.assert_array_equal(half, checks.to_numpy(ops.cast(exact, "bfloat16")))


@pytest.mark.parametrize(("rows", "columns", "width"), [(3, 5, 8), (4, 4, 64), (1, 2, 12)])
def test_sines_and_cosines_equal_the_papers_code(rows, columns, width):
    layer = PositionalEncoding("sincos", (rows, columns))
    layer.build((None, rows, columns, width))
    expected = numpy_reference.sines_and_cosines(rows, columns, width)
    outputs = layer(np.zeros((1, rows, columns, width), "float32"))
    np.testing.assert_allclose(checks.to_numpy(outputs)[0], expected, atol=1e-6)


def test_sines_and_cosines_are_fixed_and_need_no_initialization():
    layer = PositionalEncoding("sincos")
    with skip_initialization():
        layer.build((None, 2, 3, 8))
    assert not layer.trainable_weights
    assert table_of(layer).any()


def test_learned_positions_start_small_and_random():
    layer = PositionalEncoding()
    layer.build((None, 16, 16, 32))
    assert layer.table.trainable
    assert table_of(layer).std() == pytest.approx(0.02, rel=0.1)


def test_none_only_flattens(rng):
    patches = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    layer = PositionalEncoding("none")
    np.testing.assert_array_equal(checks.to_numpy(layer(patches)), patches.reshape(2, 12, 5))
    assert not layer.weights


def test_the_grid_comes_from_the_first_input():
    layer = PositionalEncoding()
    layer.build((None, 2, 3, 8))
    assert layer.table.shape == (2, 3, 8)


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        ({"kind": "rotary"}, None, "kind to be one of .* got kind='rotary'"),
        ({"grid_size": (0, 4)}, None, r"grid_size as two numbers >= 1; got grid_size=\(0, 4\)"),
        ({"grid_size": (4, 4, 4)}, None, "grid_size as two numbers >= 1"),
        ({}, (None, None, None, 8), "needs grid_size when the input grid is not fixed"),
        ({"kind": "sincos"}, (None, 2, 2, 6), "width that 4 divides for kind='sincos'; got embed_dim=6"),
    ],
)
def test_wrong_arguments_are_refused(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        PositionalEncoding(**arguments).build(shape)
