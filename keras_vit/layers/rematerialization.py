"""Gradient checkpointing: a layer forgets its activations, and computes them again when gradients are needed."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer, direct_calls
from keras_vit.layers.recomputation import OnlyTheseVariables, repeated


class Rematerialized(Layer):
    """Base of layers that `keras.RematScope` may recompute although they draw random numbers.

    Keras repeats the call as it stands: the generators of dropout have moved on by then, so gradients would belong to
    other draws than the loss (TensorFlow, PyTorch), or their states leave the trace (JAX). Here states go in and come
    out as values, so that both calls draw the same numbers, and the model is left as one call leaves it.

    Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, arXiv 1604.06174.
    """

    def rematerialized_call(self, layer_call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        recomputed = super().rematerialized_call(layer_call, *args, **kwargs)
        # Keras decides by its scope whether this layer is meant; nothing is kept at inference anyway.
        if recomputed is layer_call or not kwargs.get("training"):
            return layer_call

        def call(*inputs: Any, **kwargs: Any) -> Any:
            return _call_with_values(self, layer_call, *inputs, **kwargs)

        return call


def _call_with_values(layer: keras.layers.Layer, layer_call: Callable[..., Any], *inputs: Any, **kwargs: Any) -> Any:
    weights = {id(weight) for weight in layer.weights}
    generators = [variable for variable in layer.variables if id(variable) not in weights]
    trained, num_inputs = layer.trainable_variables, len(inputs)
    is_repetition = False
    # Values of before this call, which later assignments leave alone; frozen weights are read where they are.
    fixed = [(variable, ops.copy(variable.value)) for variable in generators]
    fixed += [(variable, variable.value) for variable in layer.non_trainable_variables if id(variable) in weights]

    def run(*arguments: Any) -> tuple[Any, ...]:
        nonlocal is_repetition
        inputs, values = arguments[:num_inputs], arguments[num_inputs:]
        mapping = [*zip(trained, values, strict=True), *fixed]
        errors = _errors_as_they_are() if is_repetition else contextlib.nullcontext()
        is_repetition = True
        with OnlyTheseVariables(state_mapping=mapping) as scope, _direct_calls(layer, inputs[0]), errors:
            outputs = layer_call(*inputs, **kwargs)
        return outputs, *(scope.get_current_value(variable) for variable in generators)

    # As arguments: TensorFlow gives no gradients to what a recomputed function reads from around it.
    outputs, *states = repeated(run, num_inputs)(*inputs, *(variable.value for variable in trained))
    for variable, state in zip(generators, states, strict=True):
        variable.assign(state)
    return outputs


def _direct_calls(layer: keras.layers.Layer, tokens: Any) -> contextlib.AbstractContextManager[None]:
    """Has the layers inside called directly, unless they need the casts that only Keras makes where gradients ask."""
    policy = layer.dtype_policy
    if policy.compute_dtype != policy.variable_dtype:
        return contextlib.nullcontext()
    return direct_calls(tokens, policy, training=True)


@contextlib.contextmanager
def _errors_as_they_are() -> Iterator[None]:
    """Has Keras leave exceptions alone.

    PyTorch ends a repetition early by an exception. Keras would catch it on its way through each layer, to shorten its
    traceback, and what it keeps of that holds activations until Python looks for garbage.
    """
    if not keras.config.is_traceback_filtering_enabled():
        yield
        return
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        keras.config.enable_traceback_filtering()
