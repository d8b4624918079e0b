"""A dense layer that multiplies as each backend does it best."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer, value_of
from keras_vit.layers.linear import linear


@keras.saving.register_keras_serializable(package="keras_vit")
class Dense(Layer, keras.layers.Dense):
    """`keras.layers.Dense`, with all it can do (LoRA, quantisation), in the form that is quickest on PyTorch and JAX.

    On PyTorch Keras multiplies and then adds, which reads and writes every output twice; adding was 12 % of a forward
    step of ViT-S/16. On JAX it multiplies arrays of three axes, for whose gradients XLA turns them around in memory
    first: a training step took 1.18 s instead of 0.80 s (batch 8).

    Args:
        units: Width of the output, channels, > 0.
        kwargs: As for `keras.layers.Dense`.

    Call:
        inputs: (..., channels) -> (..., units).
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        backend = keras.backend.backend()
        if backend == "torch":
            bias = None if self.bias is None else value_of(self.bias)
            outputs = linear(inputs, value_of(self.kernel), bias)
            return outputs if self.activation is None else self.activation(outputs)
        if backend == "jax" and len(inputs.shape) > 2:
            rows = super().call(ops.reshape(inputs, (-1, inputs.shape[-1])), training=training)
            return ops.reshape(rows, (*inputs.shape[:-1], self.units))
        return super().call(inputs, training=training)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> Any:
        # Keras refuses subclasses, whose call it does not know; a quantised layer does not use ours.
        return super().quantize(mode, type_check=False, config=config)

    def save_own_variables(self, store: Any) -> None:
        # Keras merges LoRA into the kernel and loads zeros for both matrices, which then never train again.
        if not self._keeps_lora():
            super().save_own_variables(store)
            return
        for index, variable in enumerate(self._lora_variables()):
            store[str(index)] = variable

    def load_own_variables(self, store: Any) -> None:
        if self._keeps_lora() and len(store.keys()) == len(self._lora_variables()):
            for index, variable in enumerate(self._lora_variables()):
                variable.assign(store[str(index)])
        elif self._keeps_lora():  # of a layer without LoRA
            matrix = ops.convert_to_numpy(self.lora_kernel_a)
            super().load_own_variables(store)
            self.lora_kernel_a.assign(matrix)
        else:
            super().load_own_variables(store)

    def _keeps_lora(self) -> bool:
        return self.lora_enabled and self.quantization_mode is None

    def _lora_variables(self) -> list[Any]:
        variables = (self._kernel, self.bias, self.lora_kernel_a, self.lora_kernel_b)
        return [variable for variable in variables if variable is not None]
