"""GELU and layer norm keep less for their gradients on TensorFlow: the gradients are the same."""

import statistics

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit.layers import TransformerEncoder
from keras_vit.layers.activations import activate, get_activation
from keras_vit.layers.normalization import make_norm
from tests.layers import checks

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the others keep no more than is needed"
)


def encoder(is_recomputed, **settings):
    with keras.RematScope("list_of_layers", layer_names=["encoder"] if is_recomputed else []):
        arguments = {"num_heads": 2, "mlp_dim": 12, "layer_scale_init": 0.5, **settings}
        layer = TransformerEncoder(**arguments, name="encoder")
        layer.build((None, 5, 8))
    return layer


def derivatives(function, inputs, *others):
    """Of the sum of squares."""
    import tensorflow as tf

    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(tf.square(function(inputs)))
    return [checks.to_numpy(each) for each in tape.gradient(loss, [inputs, *others])]


def differences(function, inputs, step=1e-6):
    """Derivatives of the sum of squares, from differences in float64."""
    found = np.zeros_like(inputs)
    for index in np.ndindex(inputs.shape):
        nudge = np.zeros_like(inputs)
        nudge[index] = step
        above, below = ((np.asarray(function(inputs + sign * nudge)) ** 2).sum() for sign in (1, -1))
        found[index] = (above - below) / (2 * step)
    return found


def test_gelu_has_the_derivative_of_its_values(rng):
    features = np.concatenate([[0.0, -9.0, 9.0], rng.normal(scale=2, size=20)])

    def values(features):
        return np.array([each * statistics.NormalDist().cdf(each) for each in features])

    outputs, (gradient,) = (
        activate(get_activation("gelu"), ops.convert_to_tensor(features), True),
        derivatives(lambda inputs: activate(get_activation("gelu"), inputs, True), features),
    )
    np.testing.assert_allclose(checks.to_numpy(outputs), values(features), atol=1e-12)
    np.testing.assert_allclose(gradient, differences(values, features), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mean", [0.5, 100.0])
@pytest.mark.parametrize("shape", [(3, 8), (2, 3, 8), (2, 2, 2, 8)])
def test_layer_norm_has_the_derivatives_of_its_values(rng, shape, mean):
    inputs = rng.normal(loc=mean, size=shape)
    layer = make_norm("layer_norm", 1e-3, name="norm", dtype="float64")
    layer.build(shape)
    checks.randomise(layer)
    gamma, beta = (checks.to_numpy(weight.value).astype("float64") for weight in (layer.gamma, layer.beta))

    def values(inputs, gamma=gamma, beta=beta):
        centred = inputs - inputs.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3) * gamma + beta

    np.testing.assert_allclose(checks.to_numpy(layer(inputs, training=True)), values(inputs), atol=1e-9)
    weights = [layer.gamma.value, layer.beta.value]
    found = derivatives(lambda tokens: layer(tokens, training=True), inputs, *weights)
    wanted = (
        differences(values, inputs),
        differences(lambda gamma: values(inputs, gamma=gamma), gamma),
        differences(lambda beta: values(inputs, beta=beta), beta),
    )
    for gradient, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("is_recomputed", [False, True])
@pytest.mark.parametrize(
    "settings",
    [{}, {"order": "post_norm", "layer_scale_init": None}, {"use_sub_norm": True, "use_qk_norm": True}],
    ids=str,
)
def test_gradients_of_an_encoder_are_those_of_inference_which_keeps_all(settings, is_recomputed, policy, jit_compile):
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    layer = encoder(is_recomputed, **settings, dtype=policy)
    checks.randomise(layer)
    tokens = ops.cast(np.random.default_rng(0).normal(size=(4, 5, 8)), layer.compute_dtype)

    @tf.function(jit_compile=jit_compile)
    def gradients(training):
        weights = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(tokens)
            loss = tf.reduce_sum(tf.square(tf.cast(layer(tokens, training=training), tf.float32)))
        return tape.gradient(loss, [tokens, *weights])

    tolerance = 1e-5 if policy == "float32" else 2e-2
    for recomputed, kept in zip(gradients(True), gradients(False), strict=True):
        assert recomputed.dtype == kept.dtype
        wanted = checks.to_numpy(kept).astype("float64")
        np.testing.assert_allclose(
            checks.to_numpy(recomputed).astype("float64"), wanted, atol=tolerance * max(1, np.abs(wanted).max())
        )


@pytest.mark.parametrize(("training", "expected"), [(True, 3), (False, 0), (None, 0)])
def test_both_norms_and_gelu_have_their_own_gradient_in_training_and_exports_have_none(training, expected):
    import tensorflow as tf

    layer = encoder(False)
    graph = tf.function(lambda tokens: layer(tokens, training=training)).get_concrete_function(tf.ones((2, 5, 8))).graph
    # TensorFlow marks a function that has its own gradient by this operation.
    assert [operation.type for operation in graph.get_operations()].count("IdentityN") == expected
