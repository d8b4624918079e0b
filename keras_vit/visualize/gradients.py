"""Gradients on each backend: Keras has functions for everything but these."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras


def gradients(function: Callable[..., Any], *tensors: Any) -> list[Any]:
    """Returns the gradient of a function of one number, with respect to each of its tensors."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return list(tape.gradient(value, tensors))
    if backend == "jax":
        import jax

        return list(jax.grad(function, argnums=tuple(range(len(tensors))))(*tensors))
    import torch

    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    with torch.enable_grad():
        value = function(*leaves)
    return list(torch.autograd.grad(value, leaves))


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Has PyTorch forget what only gradients would need; the other backends record nothing by themselves."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
