"""Resampling of grids: exact where sizes agree, equal to Keras' own antialiased bicubic elsewhere."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit.resampling import bicubic_matrix, resample_grid, resample_relative_positions

SIZES = [(14, 24), (24, 14), (7, 3), (3, 7), (16, 1), (1, 5), (8, 9), (9, 8), (2, 32), (64, 5)]


@pytest.mark.parametrize("size", [1, 2, 7, 14, 37, 256])
def test_equal_sizes_give_the_identity(size):
    np.testing.assert_array_equal(bicubic_matrix(size, size), np.eye(size))
    np.testing.assert_array_equal(ops.convert_to_numpy(bicubic_matrix(size, size, ops)), np.eye(size, dtype="float32"))


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_rows_sum_to_one(size_in, size_out):
    matrix = bicubic_matrix(size_in, size_out)
    assert matrix.shape == (size_out, size_in)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


def test_doubling_uses_the_weights_of_keys_cubic():
    # By hand: the Keys cubic with a = -0.5 at distances 1.25, 0.25, 0.75, 1.75.
    expected = [-0.0703125, 0.8671875, 0.2265625, -0.0234375]
    np.testing.assert_allclose(bicubic_matrix(8, 16)[7, 2:6], expected, atol=1e-12)
    np.testing.assert_allclose(bicubic_matrix(8, 16)[8, 2:6], expected[::-1], atol=1e-12)


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_keras_ops_path_equals_numpy(size_in, size_out):
    matrix = bicubic_matrix(size_in, size_out, ops)
    assert keras.backend.standardize_dtype(matrix.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(matrix), bicubic_matrix(size_in, size_out), atol=1e-6)


@pytest.mark.parametrize(("size_in", "size_out"), [*SIZES, (14, 14), (37, 37), (256, 256)])
def test_sizes_may_be_tensors(size_in, size_out):
    sizes = [ops.convert_to_tensor(size, "int32") for size in (size_in, size_out)]
    matrix = ops.convert_to_numpy(bicubic_matrix(*sizes, ops))
    np.testing.assert_allclose(matrix, bicubic_matrix(size_in, size_out), atol=1e-6)
    if size_in == size_out:
        np.testing.assert_array_equal(matrix, np.eye(size_in, dtype="float32"))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces with unknown sizes")
def test_one_trace_serves_all_sizes(jit_compile):
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None))]

    @tf.function(input_signature=signature, jit_compile=jit_compile)
    def shrink_rows(values):
        rows = ops.shape(values)[0]
        # Three out of four: XLA needs a size that follows from the input's.
        return ops.matmul(bicubic_matrix(rows, 3 * rows // 4, ops), values)

    @tf.function(input_signature=signature, jit_compile=jit_compile)
    def square_matrix(values):
        return bicubic_matrix(*ops.shape(values), ops)

    for rows in (4, 12, 16):
        values = np.random.default_rng(0).normal(size=(rows, 5)).astype("float32")
        expected = bicubic_matrix(rows, 3 * rows // 4) @ values
        np.testing.assert_allclose(shrink_rows(values).numpy(), expected, atol=1e-5)
        square = square_matrix(np.zeros((rows, rows), "float32")).numpy()
        np.testing.assert_array_equal(square, np.eye(rows, dtype="float32"))


class AddResampledTable(keras.layers.Layer):
    def build(self, input_shape):
        self.table = self.add_weight(name="table", shape=(5, 1), initializer="random_normal")

    def call(self, values):
        matrix = bicubic_matrix(5, ops.shape(values)[1], ops)
        return values + ops.matmul(matrix, ops.convert_to_tensor(self.table))


def test_a_layer_can_use_it_for_sizes_chosen_at_call_time():
    layer = AddResampledTable()
    inputs = keras.Input((None, 1))
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = table_of(layer)
    for size in (3, 5, 8):
        expected = np.broadcast_to(bicubic_matrix(5, size) @ before, (2, size, 1))
        outputs = model.predict(np.zeros((2, size, 1), "float32"), verbose=0)
        np.testing.assert_allclose(outputs, expected, atol=1e-6)
    model.train_on_batch(np.zeros((2, 8, 1), "float32"), np.ones((2, 8, 1), "float32"))
    assert np.all(table_of(layer) > before)


def table_of(layer):
    return np.array(ops.convert_to_numpy(layer.table.value))


def test_swapped_grids_differ(rng):
    table = rng.normal(size=(14, 14, 3)).astype("float32")
    wide, tall = resample_grid(table, 12, 16), resample_grid(table, 16, 12)
    assert wide.shape == (12, 16, 3)
    assert tall.shape == (16, 12, 3)
    assert not np.allclose(wide.reshape(-1, 3), tall.reshape(-1, 3), atol=0.1)
    np.testing.assert_allclose(wide, resample_grid(table.transpose(1, 0, 2), 16, 12).transpose(1, 0, 2), atol=1e-6)


@pytest.mark.parametrize(("grid", "wanted"), [((14, 14), (12, 16)), ((7, 9), (20, 3)), ((4, 4), (8, 8))])
def test_equals_keras_antialiased_bicubic(rng, grid, wanted):
    table = rng.normal(size=(*grid, 6)).astype("float32")
    expected = ops.image.resize(
        ops.convert_to_tensor(table), wanted, interpolation="bicubic", antialias=True, data_format="channels_last"
    )
    # 1e-5: some backends weigh in float32
    np.testing.assert_allclose(resample_grid(table, *wanted), ops.convert_to_numpy(expected), atol=1e-5)


def test_a_fitting_table_comes_back_unchanged(rng):
    table = rng.normal(size=(5, 6, 2)).astype("float16")
    assert resample_grid(table, 5, 6) is table


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_stays(rng, dtype):
    table = rng.normal(size=(5, 6, 2)).astype(dtype)
    assert resample_grid(table, 3, 4).dtype == dtype


def test_a_constant_table_stays_constant():
    np.testing.assert_allclose(resample_grid(np.full((5, 6, 2), 0.3), 9, 2), 0.3, atol=1e-12)


@pytest.mark.parametrize("shape", [(14, 14), (0, 4, 8), (1, 14, 14, 8)])
def test_a_table_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"table of shape \(rows, columns, depth\)"):
        resample_grid(np.zeros(shape), 2, 2)


@pytest.mark.parametrize(("rows", "cols"), [(0, 4), (4, -1), (2.0, 4), (None, 4), (True, 4)])
def test_sizes_that_are_no_sizes_are_refused(rows, cols):
    with pytest.raises(ValueError, match="whole rows >= 1 and cols >= 1"):
        resample_grid(np.zeros((2, 2, 1)), rows, cols)


def test_an_empty_axis_is_refused():
    with pytest.raises(ValueError, match="sizes >= 1"):
        bicubic_matrix(4, 0)


def test_biases_of_offsets_become_those_of_a_larger_grid():
    # By hand: two rows of patches have offsets -1, 0, 1; three have -2 to 2. The single positive offset stays where it
    # is, and longer ones take its bias. The class token's rows stay.
    table = np.array([[1.0], [2.0], [3.0], [7.0], [8.0], [9.0]], "float32")
    resampled = resample_relative_positions(table, (2, 1), (3, 1))
    np.testing.assert_array_equal(resampled[:, 0], [1, 1, 2, 3, 3, 7, 8, 9])


def test_biases_of_offsets_are_stretched_in_a_geometric_progression():
    # By hand: offsets 1 and 2 of three patches lie at 1 and 1 + q, q = 1.5 at most; the 2 of four patches lies between.
    table = np.array([[4.0], [2.0], [0.0], [2.0], [4.0]], "float64")
    resampled = resample_relative_positions(table, (3, 1), (4, 1))[:, 0]
    np.testing.assert_allclose(resampled, [4, 2 + 2 / 1.5, 2, 0, 2, 2 + 2 / 1.5, 4], atol=1e-4)


def test_biases_of_offsets_stay_for_their_own_grid():
    table = np.random.default_rng(0).normal(size=(5 * 3 + 3, 2)).astype("float32")
    np.testing.assert_array_equal(resample_relative_positions(table, (3, 2), (3, 2)), table)
