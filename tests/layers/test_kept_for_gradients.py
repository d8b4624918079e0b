"""Parts of layers keep less for their gradients on TensorFlow and JAX: the gradients are the same."""

import contextlib
import functools
import operator
import statistics

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit.layers import PyramidEncoder, RotaryEncoder, SwinEncoder, TransformerEncoder
from keras_vit.layers.activations import activate, get_activation
from keras_vit.layers.dot_product_attention import gather
from keras_vit.layers.normalization import make_norm
from keras_vit.layers.recomputation import recompute
from tests.layers import checks

BACKEND = keras.backend.backend()

pytestmark = pytest.mark.skipif(BACKEND == "torch", reason="its kernels keep no more than is needed")


# Keras has no float64 on JAX.
EXACT = {"rtol": 1e-5, "atol": 1e-5} if BACKEND == "tensorflow" else {"rtol": 2e-3, "atol": 2e-4}


def encoder(is_recomputed, shape=(9, 8), **settings):
    with keras.RematScope("list_of_layers", layer_names=["encoder"] if is_recomputed else []):
        arguments = {"num_heads": 2, "mlp_dim": 12, "layer_scale_init": 0.5, **settings}
        layer = TransformerEncoder(**arguments, name="encoder")
        layer.build((None, *shape))
    return layer


def derivatives(function, inputs, variables=(), jit_compile=False):
    """Of the sum of squares of function(inputs): to the inputs, and to the variables."""
    inputs = ops.convert_to_tensor(inputs)

    def loss(inputs, values):
        scope = keras.StatelessScope(zip(variables, values, strict=True)) if BACKEND == "jax" else None
        with scope or contextlib.nullcontext():
            outputs = function(inputs)
            wide = ops.cast(outputs, keras.backend.result_type(outputs.dtype, "float32"))
            return ops.sum(ops.square(wide))

    values = [variable.value for variable in variables]
    if BACKEND == "jax":
        import jax

        gradients = jax.grad(loss, (0, 1))
        found, others = (jax.jit(gradients) if jit_compile else gradients)(inputs, values)
        return [found, *others]
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def gradients(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = loss(inputs, values)
        return tape.gradient(total, [inputs, *values])

    return gradients(inputs)


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

    def function(features):
        return activate(get_activation("gelu"), features, True)

    np.testing.assert_allclose(checks.to_numpy(function(ops.convert_to_tensor(features))), values(features), **EXACT)
    (gradient,) = derivatives(function, features)
    np.testing.assert_allclose(checks.to_numpy(gradient), differences(values, features), **EXACT)


@pytest.mark.parametrize("mean", [0.5, 100.0])
@pytest.mark.parametrize("shape", [(3, 8), (2, 3, 8), (2, 2, 2, 8)])
def test_layer_norm_has_the_derivatives_of_its_values(rng, shape, mean):
    inputs = rng.normal(loc=mean, size=shape)
    dtype = "float32" if BACKEND == "jax" else "float64"
    layer = make_norm("layer_norm", 1e-3, name="norm", dtype=dtype)
    layer.build(shape)
    checks.randomise(layer)
    gamma, beta = (checks.to_numpy(weight.value).astype("float64") for weight in (layer.gamma, layer.beta))

    def values(inputs, gamma=gamma, beta=beta):
        centred = inputs - inputs.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3) * gamma + beta

    np.testing.assert_allclose(checks.to_numpy(layer(inputs, training=True)), values(inputs), **EXACT)
    found = derivatives(lambda tokens: layer(tokens, training=True), inputs, [layer.gamma, layer.beta])
    wanted = (
        differences(values, inputs),
        differences(lambda gamma: values(inputs, gamma=gamma), gamma),
        differences(lambda beta: values(inputs, beta=beta), beta),
    )
    for gradient, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(checks.to_numpy(gradient), expected, **EXACT)


@pytest.mark.parametrize("num_keys", [5, 9])  # fewer than what is computed again, and more
@pytest.mark.parametrize("has_bias", [False, True])
def test_attention_has_the_derivatives_of_its_values(rng, has_bias, num_keys):
    queries, keys, values, bias = (
        rng.normal(size=shape)
        for shape in ((2, 3, 2, 4), (2, num_keys, 2, 4), (2, num_keys, 2, 4), (1, 2, 3, num_keys))
    )

    def explicit(queries, keys, values, bias):
        logits = np.einsum("bqhc,bkhc->bhqk", queries, keys) / 2 + bias * has_bias
        weights = np.exp(logits)
        return np.einsum("bhqk,bkhc->bqhc", weights / weights.sum(-1, keepdims=True), values)

    inputs = [queries, keys, values, bias] if has_bias else [queries, keys, values]
    for index, each in enumerate(inputs):

        def attend(changed, index=index):
            parts = [ops.convert_to_tensor(part) for part in inputs]
            parts[index] = changed
            return gather(*parts[:3], bias=parts[3] if has_bias else None, training=True)

        def expected(changed, index=index):
            parts = [queries, keys, values, bias]
            parts[index] = changed
            return explicit(*parts)

        np.testing.assert_allclose(checks.to_numpy(attend(ops.convert_to_tensor(each))), expected(each), **EXACT)
        (gradient,) = derivatives(attend, each)
        np.testing.assert_allclose(checks.to_numpy(gradient), differences(expected, each), **EXACT)


def assert_gradients_are_those_of_inference(make, inputs, policy, jit_compile=False):
    """Inference keeps all. Gradients of half precision are as near to those of float32 in training as there."""
    keras.utils.set_random_seed(1)
    layer, wide = make(dtype=policy), make(dtype="float32")
    checks.randomise(layer)
    for weight, source in zip(wide.weights, layer.weights, strict=True):
        weight.assign(checks.to_numpy(source.value).astype("float32"))

    def gradients(layer, training, jit_compile=BACKEND == "jax"):
        def function(inputs):
            return layer(inputs, training=training)

        return derivatives(function, ops.cast(inputs, layer.compute_dtype), layer.trainable_weights, jit_compile)

    all_kept, all_recomputed = gradients(layer, False), gradients(layer, True, jit_compile)
    all_wanted = all_kept if policy == "float32" else gradients(wide, False)
    tolerance = 1e-5 if policy == "float32" else 2e-2
    for wanted, kept, recomputed in zip(all_wanted, all_kept, all_recomputed, strict=True):
        assert recomputed.dtype == kept.dtype
        wanted, kept, recomputed = (checks.to_numpy(each).astype("float64") for each in (wanted, kept, recomputed))
        allowed = 2 * np.abs(kept - wanted).max() + tolerance * max(1, np.abs(wanted).max())
        np.testing.assert_allclose(recomputed, wanted, rtol=0, atol=allowed)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("is_recomputed", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"order": "post_norm", "layer_scale_init": None},
        {"use_sub_norm": True, "use_qk_norm": True, "mlp": "swiglu"},
    ],
    ids=str,
)
def test_gradients_of_an_encoder_are_those_of_inference(rng, settings, is_recomputed, policy, jit_compile):
    make = functools.partial(encoder, is_recomputed, **settings)
    assert_gradients_are_those_of_inference(make, rng.normal(size=(4, 9, 8)), policy, jit_compile)


def built(layer_class, *arguments, shape, frozen=None, adapted=None, **settings):
    layer = layer_class(2, 12, *arguments, **settings)
    layer.build((None, *shape))
    if frozen:
        operator.attrgetter(frozen)(layer).trainable = False
    if adapted:
        operator.attrgetter(adapted)(layer).enable_lora(2)
    return layer


WINDOWS = {"window_size": (2, 2), "grid_size": (3, 5), "num_prefix_tokens": 1}
KINDS = {
    "norms without offset": (TransformerEncoder, (9, 8), {"norm": "rms_norm"}),
    "both branches at once": (TransformerEncoder, (9, 8), {"order": "parallel"}),
    "frozen norm": (TransformerEncoder, (9, 8), {"frozen": "attention_norm"}),
    "frozen dense layer": (TransformerEncoder, (9, 8), {"frozen": "mlp.expand"}),
    "low rank": (TransformerEncoder, (9, 8), {"adapted": "attention.qkv"}),
    "windows of a sequence, filled up": (TransformerEncoder, (16, 8), {"windows": WINDOWS}),
    "few keys": (TransformerEncoder, (5, 8), {}),
    "windows": (SwinEncoder, (4, 6, 8), {"window_size": (2, 3)}),
    "shifted windows, filled up": (SwinEncoder, (5, 7, 8), {"window_size": (3, 3), "shift_size": (1, 1)}),
    "shared keys and values": (RotaryEncoder, (9, 8), {"num_key_value_heads": 1}),
    "whole grid": (PyramidEncoder, (4, 6, 8), {}),
    "reduced grid": (PyramidEncoder, (4, 6, 8), {"reduction_size": 2}),
    "pooled grid": (PyramidEncoder, (4, 6, 8), {"use_pooling": True}),
}


@pytest.mark.parametrize(("layer_class", "shape", "settings"), KINDS.values(), ids=KINDS)
def test_gradients_of_all_kinds_of_layers_are_those_of_inference(rng, layer_class, shape, settings):
    make = functools.partial(built, layer_class, shape=shape, **settings)
    assert_gradients_are_those_of_inference(make, rng.normal(size=(3, *shape)), "float32", BACKEND == "jax")


def test_variables_that_would_quietly_get_no_gradient_are_an_error():
    known, forgotten = keras.layers.Dense(3, name="known"), keras.layers.Dense(3, name="forgotten")
    tokens = ops.ones((2, 3))
    outputs = forgotten(known(tokens))
    with pytest.raises(RuntimeError, match="(?s)forgotten/kernel.*not handed to it"):
        recompute(lambda tokens: forgotten(known(tokens)), tokens, layers=[known])
    found = recompute(lambda tokens: forgotten(known(tokens)), tokens, layers=[known, forgotten])
    np.testing.assert_allclose(checks.to_numpy(found), checks.to_numpy(outputs), rtol=1e-6)


@pytest.mark.parametrize("is_recomputed", [False, True])
def test_a_device_without_images_of_a_batch_has_gradients_of_zero(is_recomputed):
    layer = encoder(is_recomputed)
    found = derivatives(lambda tokens: layer(tokens, training=True), np.zeros((0, 9, 8), "float32"), layer.weights)
    for gradient, weight in zip(found[1:], layer.weights, strict=True):
        np.testing.assert_array_equal(checks.to_numpy(gradient), np.zeros(weight.shape))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="looks into TensorFlow's graph")
@pytest.mark.parametrize(("training", "expected"), [(True, 7), (False, 0), (None, 0)])
def test_norms_gelu_attention_and_mlp_have_their_own_gradients_in_training_and_exports_have_none(training, expected):
    import tensorflow as tf

    layer = encoder(False)
    graph = tf.function(lambda tokens: layer(tokens, training=training)).get_concrete_function(tf.ones((2, 9, 8))).graph
    # TensorFlow marks a function that has its own gradient by this operation.
    assert [operation.type for operation in graph.get_operations()].count("IdentityN") == expected


@pytest.mark.skipif(BACKEND != "jax", reason="asks JAX's compiler")
def test_the_compiler_of_jax_does_not_undo_it():
    import jax

    def memory(is_recomputed, training):
        """Bytes between the layers' forward and backward calls."""
        layers = [encoder(is_recomputed, (64, 64), num_heads=4, mlp_dim=256) for _ in range(4)]
        weights = [[weight.value for weight in layer.weights] for layer in layers]

        def loss(weights, tokens):
            for layer, values in zip(layers, weights, strict=True):
                tokens, _ = layer.stateless_call(values, [], tokens, training=training)
            return ops.sum(ops.square(tokens))

        compiled = jax.jit(jax.grad(loss)).lower(weights, np.ones((32, 64, 64), "float32")).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    kept, recomputed, forgotten = memory(False, False), memory(False, True), memory(True, True)
    assert recomputed < 0.5 * kept
    assert forgotten < 0.9 * recomputed
