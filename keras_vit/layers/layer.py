"""The base of all layers, which go without what Keras repeats around each of them where PyTorch runs step by step.

Keras checks, converts and looks up again what the model's own call has settled. TensorFlow and JAX do so once, when
they make their graph; PyTorch at every step, which was a third of a forward step of ViT-Ti/16 on one image.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True)
class _Run:
    """What a call of a model has settled for the layers in it."""

    dtype: str  # of the computation
    is_mixed: bool  # whether that is another one than the variables'
    tensor_dtype: Any  # the same, PyTorch's
    tensor_type: Any
    training: bool


class _State(threading.local):
    run: Any = None  # a `_Run` inside `direct_calls`


_state = _State()


class Layer(keras.layers.Layer):
    """A layer of Keras, whose `call` is called as it is inside `direct_calls`; also mixed in before Keras' own layers.

    Everything else goes by Keras: a layer that is not built, computes in another dtype, is quantised, recomputes its
    activations or has hooks, and arguments other than tensors of the right dtype, None and `training`.

    Attributes:
        casts_weights: Whether weights follow the compute dtype, or else no dtype but their own.
    """

    casts_weights = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = _state.run
        if run is None:
            return super().__call__(*args, **kwargs)
        if not self._goes_directly(run, args, kwargs):
            with _running(None):  # for the layers inside this one, Keras may settle something else
                return super().__call__(*args, **kwargs)
        if not self._call_has_training_arg:  # Keras' functional models pass it to every layer
            return self.call(*args)
        training = kwargs.get("training")
        return self.call(*args, training=run.training if training is None else training)

    def _goes_directly(self, run: _Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return (
            all(each is None or (type(each) is run.tensor_type and each.dtype is run.tensor_dtype) for each in args)
            and (not kwargs or tuple(kwargs) == ("training",))
            and self.built
            and (self.autocast or not run.is_mixed or not self.casts_weights)
            and self.compute_dtype == run.dtype
            and self.activity_regularizer is None
            and not self._is_rematerialized()
            and getattr(self, "quantization_mode", None) is None
            and not (self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks)
        )

    def _is_rematerialized(self) -> bool:
        mode = self._remat_mode
        return mode is not None and (mode.mode != "list_of_layers" or self.name in mode.layer_names)


def value_of(weight: Any) -> Any:
    """Returns the tensor of a variable, or what is a tensor already; `ops.convert_to_tensor` takes longer to tell."""
    return weight.value if isinstance(weight, keras.Variable) else weight


def direct_calls(images: Any, policy: Any, training: bool | None) -> contextlib.AbstractContextManager[None]:
    """Has layers called directly in this block, if PyTorch runs and no graph is being made of it.

    Args:
        images: What the model is called with.
        policy: The model's dtype policy.
        training: As the model was called.
    """
    return _running(_run_of(images, policy, training))


def is_watched(tensor: Any) -> bool:
    """Whether a graph is being made of what PyTorch does with a tensor, or the tensor stands for something else."""
    import torch

    return bool(
        type(tensor) is not torch.Tensor
        or tensor.is_meta
        or torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._functorch.peek_interpreter_stack() is not None
    )


@contextlib.contextmanager
def _running(run: _Run | None) -> Iterator[None]:
    previous, _state.run = _state.run, run
    try:
        yield
    finally:
        _state.run = previous


def _run_of(images: Any, policy: Any, training: bool | None) -> _Run | None:
    if keras.backend.backend() != "torch":
        return None
    import torch

    if (not isinstance(images, np.ndarray) and is_watched(images)) or _has_hooks(torch.nn.modules.module):
        return None
    return _Run(
        dtype=policy.compute_dtype,
        is_mixed=policy.compute_dtype != policy.variable_dtype,
        tensor_dtype=getattr(torch, policy.compute_dtype),
        tensor_type=torch.Tensor,
        training=bool(training),
    )


def _has_hooks(module: Any) -> bool:
    """Whether something follows each layer."""
    return bool(
        module._global_forward_hooks
        or module._global_forward_pre_hooks
        or module._global_backward_hooks
        or module._global_backward_pre_hooks
    )
