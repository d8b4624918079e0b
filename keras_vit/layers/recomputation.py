"""Steps that are computed again for their gradients, instead of keeping what is in between.

Autodiff keeps what the gradient of each operation reads. PyTorch's kernels keep little, and compilers for GPUs and TPUs
compute again what is cheap; TensorFlow and XLA's compiler for CPUs keep everything.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

_is_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("is_inside", default=False)


def is_jax_on_cpu() -> bool:
    """Whether XLA compiles for a CPU."""
    if keras.config.backend() != "jax":
        return False
    import jax

    return jax.default_backend() == "cpu"


def keeps_everything() -> bool:
    """Whether all that gradients read is kept from the forward call."""
    return keras.config.backend() == "tensorflow" or is_jax_on_cpu()


def recomputes() -> bool:
    """Whether `recompute` saves memory here: not inside of what is computed again anyway."""
    return keeps_everything() and not _is_inside.get()


def recompute(function: Callable[..., Any], *inputs: Any, layers: Sequence[keras.layers.Layer] = ()) -> Any:
    """Returns function(*inputs), and keeps nothing but inputs and weights for its gradients.

    Args:
        function: Draws no random numbers, and changes no variables.
        inputs: Tensors of floats.
        layers: Whose weights the function reads.

    Raises:
        RuntimeError: The function reads a variable of no layer: it would get no gradient.
    """
    trained = [weight for layer in layers for weight in layer.trainable_variables]
    fixed = [(weight, weight.value) for layer in layers for weight in layer.non_trainable_variables]

    def run(*arguments: Any) -> Any:
        values = arguments[len(inputs) :]
        with OnlyTheseVariables(state_mapping=[*zip(trained, values, strict=True), *fixed]):
            return function(*arguments[: len(inputs)])

    return repeated(run, len(inputs))(*inputs, *(weight.value for weight in trained))


class OnlyTheseVariables(keras.StatelessScope):
    """A scope in which no variables can be read but those it was given.

    Others would be read from around the function, and would quietly get no gradients.
    """

    def get_current_value(self, variable: keras.Variable) -> Any:
        value = super().get_current_value(variable)
        if value is None:
            raise RuntimeError(f"{variable.path} is read in a step that is computed again, but not handed to it.")
        return value


@dataclass(frozen=True)
class Prologue:
    """What is done to tokens right before a dense layer, and again for its gradients instead of being kept: a norm.

    Args:
        function: Takes and returns tokens; draws no random numbers, and changes no variables.
        layers: Whose weights the function reads.
    """

    function: Callable[[Any], Any]
    layers: tuple[keras.layers.Layer, ...]


def apply(prologue: Prologue | None, tokens: Any) -> Any:
    """Returns tokens after a prologue, if there is one: kept, where what follows costs too much to do twice."""
    return tokens if prologue is None else prologue.function(tokens)


def project(layer: keras.layers.Layer, tokens: Any, prologue: Prologue | None = None) -> Any:
    """Returns what a linear layer makes of tokens, after a prologue if there is one.

    Gradients of a linear layer read its inputs and not its outputs, so only the prologue is computed again.
    """
    if prologue is None:
        return layer(tokens)
    layers = [*prologue.layers, layer]
    return recompute(lambda tokens: layer(prologue.function(tokens)), tokens, layers=layers)


def repeated(function: Callable[..., Any], num_inputs: int) -> Callable[..., Any]:
    """Returns a function that keeps its arguments, and calls `function` once more when gradients are needed.

    Args:
        function: Of tensors; the first it returns is of floats. What it reads from around it gets no gradients.
        num_inputs: How many of the arguments, the first of them, all it does depends on; more than 0, all of floats.
    """

    def run(*arguments: Any) -> Any:
        with _inside():
            return function(*arguments)

    if is_jax_on_cpu():
        return _repeated_by_jax(run, num_inputs)
    return _repeated_by_tensorflow(run, num_inputs) if keras.config.backend() == "tensorflow" else keras.remat(run)


def _repeated_by_jax(run: Callable[..., Any], num_inputs: int) -> Callable[..., Any]:
    import jax

    @jax.custom_vjp
    def call(*arguments: Any) -> Any:
        return run(*arguments)

    def keep(*arguments: Any) -> tuple[Any, tuple[Any, ...]]:
        return run(*arguments), arguments

    def gradients(arguments: tuple[Any, ...], upstream: Any) -> Any:
        # XLA's CPU compiler drops the barriers of `jax.checkpoint`.
        waiting = _waiting_for(jax.tree.leaves(upstream)[0], arguments, num_inputs)
        return jax.vjp(run, *waiting)[1](upstream)

    call.defvjp(keep, gradients)
    return call


def _repeated_by_tensorflow(run: Callable[..., Any], num_inputs: int) -> Callable[..., Any]:
    """As `tf.recompute_grad`, which copies all weights for the second call, and has more operations."""
    import tensorflow as tf

    @tf.custom_gradient
    def call(*arguments: Any) -> tuple[Any, Callable[..., Any]]:
        def gradients(*upstream: Any, variables: Sequence[Any] = ()) -> Any:
            with tf.GradientTape() as tape:
                waiting = [tf.identity(each) for each in _waiting_for(upstream[0], arguments, num_inputs)]
                tape.watch(waiting)
                outputs = tf.nest.flatten(run(*waiting))
            pairs = [pair for pair in zip(outputs, upstream, strict=True) if pair[0].dtype.is_floating]
            found = tape.gradient([pair[0] for pair in pairs], waiting, [pair[1] for pair in pairs])
            return (found, [None] * len(variables)) if variables else found

        return run(*arguments), gradients

    return call


def _waiting_for(upstream: Any, arguments: Sequence[Any], num_inputs: int) -> list[Any]:
    """Returns the same arguments, which compilers take for others, and cannot have before an upstream gradient.

    Compilers find that the same is computed twice, and would keep it from the first time.
    """
    first = ops.sum(upstream[(slice(0, 1),) * len(upstream.shape)])  # 0 where a device has no images of a batch
    zero = 0 * ops.where(ops.isfinite(first), first, ops.zeros_like(first))
    return [
        # Weights of one axis, too, whose copies for each token would be kept.
        each + ops.cast(zero, each.dtype) if place < num_inputs or len(each.shape) < 2 else each
        for place, each in enumerate(arguments)
    ]


@contextlib.contextmanager
def _inside() -> Iterator[None]:
    token = _is_inside.set(True)
    try:
        yield
    finally:
        _is_inside.reset(token)
