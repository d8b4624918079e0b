"""AdamW in one pass, against the formulas of its paper by numpy, on every backend."""

import keras
import numpy as np
import pytest

from keras_vit.training.one_pass_adamw import OnePassAdamW

IS_TORCH = keras.backend.backend() == "torch"
RATE, DECAY, EPSILON, BETA_1, BETA_2 = 0.05, 0.2, 1e-3, 0.9, 0.999
SHAPES = {"kernel": (3, 4), "bias": (4,), "filters": (2, 2, 3, 4)}


@pytest.fixture
def start(rng):
    return {name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


@pytest.fixture
def gradients(rng):
    """Four steps' gradients of each variable."""
    return [{name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()} for _ in range(4)]


def variables_of(start):
    return [keras.Variable(value, name=name) for name, value in start.items()]


def apply(optimizer, variables, gradients, as_tensor=keras.ops.convert_to_tensor):
    for step in gradients:
        optimizer.apply([as_tensor(step[variable.name]) for variable in variables], variables)


def optimizer_for(variables, **arguments):
    """Returns an optimizer that decays everything but the bias."""
    optimizer = OnePassAdamW(RATE, weight_decay=DECAY, epsilon=EPSILON, **arguments)
    optimizer.exclude_from_weight_decay([variable for variable in variables if variable.name == "bias"])
    return optimizer


def expected(start, gradients, *, amsgrad=False):
    """The numbers of every step by Loshchilov and Hutter, in float64; epsilon where Keras has it."""
    values = {name: value.astype("float64") for name, value in start.items()}
    momenta, velocities, largest = (dict.fromkeys(start, 0.0) for _ in range(3))
    steps = []
    for step, gradient in enumerate(gradients, start=1):
        for name, value in values.items():
            momenta[name] = BETA_1 * momenta[name] + (1 - BETA_1) * gradient[name]
            velocities[name] = BETA_2 * velocities[name] + (1 - BETA_2) * gradient[name].astype("float64") ** 2
            largest[name] = np.maximum(largest[name], velocities[name])
            root = np.sqrt(largest[name] if amsgrad else velocities[name]) + EPSILON
            rate = RATE * np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
            kept = 1.0 if name == "bias" else 1 - RATE * DECAY
            values[name] = kept * value - rate * momenta[name] / root
        steps.append(dict(values))
    return steps


def check(variables, values):
    for variable in variables:
        found = keras.ops.convert_to_numpy(variable.value)
        np.testing.assert_allclose(found, values[variable.name], rtol=2e-5, atol=2e-6, err_msg=variable.name)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_are_those_of_the_paper(start, gradients, amsgrad):
    variables = variables_of(start)

    apply(optimizer_for(variables, amsgrad=amsgrad), variables, gradients)

    check(variables, expected(start, gradients, amsgrad=amsgrad)[-1])


def test_gradients_in_another_order_of_memory_are_read_in_theirs(start, gradients):
    variables = variables_of(start)

    def transposed_in_memory(gradient):
        tensor = keras.ops.convert_to_tensor(np.ascontiguousarray(gradient.T))
        return keras.ops.transpose(tensor, tuple(range(gradient.ndim))[::-1])

    apply(optimizer_for(variables), variables, gradients, as_tensor=transposed_in_memory)

    check(variables, expected(start, gradients)[-1])


def test_a_large_gradient_is_shortened_to_the_norm_of_all_variables(start, gradients):
    norm = np.sqrt(sum(np.sum(gradient.astype("float64") ** 2) for gradient in gradients[0].values()))
    shortened = {name: gradient / norm * 0.5 for name, gradient in gradients[0].items()}
    short = {name: 1e-3 * gradient for name, gradient in gradients[1].items()}  # stays as it is
    variables = variables_of(start)

    apply(optimizer_for(variables, global_clipnorm=0.5), variables, [gradients[0], short])

    check(variables, expected(start, [shortened, short])[-1])


def test_a_gradient_that_is_not_finite_makes_every_weight_nan_as_keras_does(start, gradients):
    gradients[0]["bias"][1] = np.inf
    variables = variables_of(start)

    apply(optimizer_for(variables, global_clipnorm=0.5), variables, gradients[:1])

    assert all(np.isnan(keras.ops.convert_to_numpy(variable.value)).all() for variable in variables)


def test_averages_start_at_the_first_step_and_follow_the_weights(start, gradients):
    variables = variables_of(start)
    optimizer = optimizer_for(variables, use_ema=True, ema_momentum=0.75)

    apply(optimizer, variables, gradients)
    optimizer.finalize_variable_values(variables)

    steps = expected(start, gradients)
    averages = steps[0]
    for step in steps[1:]:
        averages = {name: 0.75 * average + 0.25 * step[name] for name, average in averages.items()}
    check(variables, averages)


def test_accumulated_gradients_make_one_step_of_their_mean(start, gradients):
    variables = variables_of(start)

    apply(optimizer_for(variables, gradient_accumulation_steps=2), variables, gradients)

    means = [
        {name: (first[name] + second[name]) / 2 for name in start}
        for first, second in zip(gradients[::2], gradients[1::2], strict=True)
    ]
    check(variables, expected(start, means)[-1])


@pytest.mark.skipif(not IS_TORCH, reason="the fast kernels are PyTorch's")
def test_pytorch_takes_one_pass_on_a_cpu(start, gradients, monkeypatch):
    import torch

    calls = []
    kernel = torch._fused_adamw_
    monkeypatch.setattr(
        torch, "_fused_adamw_", lambda *args, **named: (calls.append(len(args[0])), kernel(*args, **named))
    )
    variables = variables_of(start)

    apply(optimizer_for(variables), variables, gradients[:1])

    assert sorted(calls) == [1, 2]  # the bias, and what decays


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="looks into TensorFlow's graph")
@pytest.mark.parametrize(
    ("amsgrad", "dtype", "expected"),
    [(False, "float32", 3), (True, "float32", 0), (False, "bfloat16", 0), (False, "float16", 0)],
)
def test_tensorflow_takes_one_pass_but_for_amsgrad_and_half_precision(start, gradients, amsgrad, dtype, expected):
    import tensorflow as tf

    variables = [keras.Variable(value, name=name, dtype=dtype) for name, value in start.items()]
    optimizer = optimizer_for(variables, amsgrad=amsgrad)
    optimizer.build(variables)

    graph = tf.function(lambda: apply(optimizer, variables, gradients[:1])).get_concrete_function().graph

    assert [operation.type for operation in graph.get_operations()].count("ResourceApplyAdam") == expected


@pytest.mark.skipif(IS_TORCH, reason="PyTorch's kernel computes with more digits than Keras does")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_as_with_keras(start, gradients, dtype):
    found = []
    for make in (OnePassAdamW, keras.optimizers.AdamW):
        variables = [keras.Variable(value, name=name, dtype=dtype) for name, value in start.items()]
        apply(make(RATE, weight_decay=DECAY, epsilon=EPSILON), variables, gradients)
        found.append([keras.ops.convert_to_numpy(keras.ops.cast(each.value, "float32")) for each in variables])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.02)
