"""A dense layer that adds its bias while it multiplies, where PyTorch has a kernel for that."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_vit")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense`, with all it can do (LoRA, quantisation), and one pass less over memory on PyTorch.

    Keras multiplies and then adds, which reads and writes every output twice; adding was 12 % of a forward step of
    ViT-S/16. TensorFlow and JAX fuse the two themselves.

    Args:
        units: Width of the output, channels, > 0.
        kwargs: As for `keras.layers.Dense`.

    Call:
        inputs: (..., channels) -> (..., units).
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if keras.backend.backend() != "torch" or self.bias is None:
            return super().call(inputs, training=training)
        import torch

        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        outputs = torch.nn.functional.linear(inputs, kernel.transpose(0, 1), bias)
        return outputs if self.activation is None else self.activation(outputs)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> Any:
        # Keras refuses subclasses, whose call it does not know; a quantised layer does not use ours.
        return super().quantize(mode, type_check=False, config=config)
