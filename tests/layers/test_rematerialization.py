"""Gradient checkpointing: the same numbers as without it, also where they are drawn."""

import keras
import numpy as np
import pytest

from keras_vit.layers import TransformerEncoder, recomputation
from tests.layers import checks

BACKEND = keras.backend.backend()
ARGUMENTS = {"num_heads": 2, "mlp_dim": 12, "layer_scale_init": 0.5, "seed": 3}
RATES = {"dropout_rate": 0.2, "attention_dropout_rate": 0.2, "drop_path_rate": 0.3}


def encoder(is_recomputed, **settings):
    with keras.RematScope("list_of_layers", layer_names=["encoder"] if is_recomputed else []):
        layer = TransformerEncoder(**{**ARGUMENTS, **settings}, name="encoder")
        layer.build((None, 5, 8))
    return layer


def train(layer, policy, steps=3):
    """Losses of some steps, and all that the steps have changed."""
    inputs = keras.Input((5, 8))
    # A layer before it, which learns through it, and one after it.
    first, last = (keras.layers.Dense(8, dtype=policy, kernel_initializer="orthogonal") for _ in range(2))
    model = keras.Model(inputs, last(layer(first(inputs))))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=BACKEND == "jax")
    rng = np.random.default_rng(0)
    tokens, targets = rng.normal(size=(2, 16, 5, 8)).astype("float32")
    losses = [float(model.train_on_batch(tokens, targets)) for _ in range(steps)]
    return losses, [checks.to_numpy(variable.value) for variable in model.variables]


@pytest.mark.parametrize(
    ("settings", "policy"),
    [(RATES, "float32"), (RATES, "mixed_bfloat16"), ({**RATES, "order": "parallel", "mlp": "swiglu"}, "float32")],
    ids=str,
)
def test_losses_weights_and_random_states_equal_those_without(settings, policy):
    results = []
    for is_recomputed in (False, True):
        keras.utils.set_random_seed(1)
        results.append(train(encoder(is_recomputed, **settings, dtype=policy), policy))
    (expected_losses, expected), (losses, variables) = results
    tolerance = 1e-5 if policy == "float32" else 2e-2
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance)
    for variable, wanted in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.astype("float64"), wanted, atol=tolerance)


def test_frozen_layers_pass_gradients_on():
    results = []
    for is_recomputed in (False, True):
        keras.utils.set_random_seed(1)
        layer = encoder(is_recomputed, **RATES)
        layer.trainable = False
        results.append(train(layer, "float32"))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-5)
    assert results[0][0][0] != pytest.approx(results[0][0][2])


@pytest.mark.skipif(BACKEND == "jax", reason="JAX calls a layer once, and repeats what it recorded: the next test")
def test_training_computes_the_layer_once_more(monkeypatch):
    def count_calls(is_recomputed):
        layer, calls = encoder(is_recomputed), []
        call = layer.mlp.call
        monkeypatch.setattr(layer.mlp, "call", lambda *args, **kwargs: calls.append(1) or call(*args, **kwargs))
        train(layer, "float32", steps=1)
        in_training = len(calls)
        layer(np.ones((2, 5, 8), "float32"))
        return in_training, len(calls) - in_training

    plain, _ = count_calls(False)
    assert count_calls(True) == (plain + 1, 1)


@pytest.mark.skipif(BACKEND != "jax", reason="the test before is that of the others")
def test_jax_records_the_layer_as_one_to_repeat_in_training(monkeypatch):
    """As XLA's compilers for GPUs and TPUs take it; what that for CPUs does is in test_kept_for_gradients.py."""
    import jax

    monkeypatch.setattr(recomputation, "is_jax_on_cpu", lambda: False)
    layer = encoder(True)
    states = [variable.value for variable in layer.trainable_variables]
    for training in (True, False):
        traced = jax.make_jaxpr(lambda tokens: layer.stateless_call(states, [], tokens, training=training)[0])  # noqa: B023
        assert ("prevent_cse" in str(traced(np.ones((2, 5, 8), "float32")))) == training


def test_keras_shortens_tracebacks_as_before():
    train(encoder(True), "float32", steps=1)
    assert keras.config.is_traceback_filtering_enabled()


def test_errors_in_the_layer_are_explained_by_keras(monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("no such number")

    layer = encoder(True)
    monkeypatch.setattr(layer.mlp, "call", fail)
    with pytest.raises(ValueError, match="(?s)Exception encountered when calling.*no such number"):
        layer(np.ones((2, 5, 8), "float32"), training=True)
