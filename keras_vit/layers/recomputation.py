"""Steps that are computed again for their gradients, instead of keeping what is in between.

Autodiff keeps what the gradient of each operation reads. PyTorch's kernels keep little, and compilers for GPUs and TPUs
compute again what is cheap; TensorFlow and XLA's compiler for CPUs keep everything.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

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
    """
    trained = [weight for layer in layers for weight in layer.trainable_variables]
    fixed = [(weight, weight.value) for layer in layers for weight in layer.non_trainable_variables]

    def run(*arguments: Any) -> Any:
        values = arguments[len(inputs) :]
        with keras.StatelessScope(state_mapping=[*zip(trained, values, strict=True), *fixed]):
            return function(*arguments[: len(inputs)])

    return repeated(run, len(inputs))(*inputs, *(weight.value for weight in trained))


def repeated(function: Callable[..., Any], num_inputs: int) -> Callable[..., Any]:
    """Returns a function that keeps its arguments, and calls `function` once more when gradients are needed.

    Args:
        function: Of tensors; the first it returns is of floats. What it reads from around it gets no gradients.
        num_inputs: How many of the arguments, the first of them, all it does depends on; more than 0, all of floats.
    """

    def run(*arguments: Any) -> Any:
        with _inside():
            return function(*arguments)

    return _repeated_by_xla(run, num_inputs) if is_jax_on_cpu() else keras.remat(run)


def _repeated_by_xla(run: Callable[..., Any], num_inputs: int) -> Callable[..., Any]:
    import jax

    @jax.custom_vjp
    def call(*arguments: Any) -> Any:
        return run(*arguments)

    def keep(*arguments: Any) -> tuple[Any, tuple[Any, ...]]:
        return run(*arguments), arguments

    def gradients(arguments: tuple[Any, ...], upstream: Any) -> Any:
        # XLA's CPU compiler drops the barriers of `jax.checkpoint`, finds that the same is computed twice, and keeps
        # it from the first time. A zero that only the gradients tell makes it another thing, and has it wait for them.
        first = jax.tree.leaves(upstream)[0]
        zero = 0 * jax.numpy.nan_to_num(first[(0,) * first.ndim])
        inputs = [
            # Weights of one axis, too, whose copies for each token would be kept.
            each + zero.astype(each.dtype) if place < num_inputs or each.ndim < 2 else each
            for place, each in enumerate(arguments)
        ]
        return jax.vjp(run, *inputs)[1](upstream)

    call.defvjp(keep, gradients)
    return call


@contextlib.contextmanager
def _inside() -> Iterator[None]:
    token = _is_inside.set(True)
    try:
        yield
    finally:
        _is_inside.reset(token)
