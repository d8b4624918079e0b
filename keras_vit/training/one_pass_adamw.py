"""AdamW in one pass over the weights, on TensorFlow, and where PyTorch runs on a CPU; elsewhere Keras' own."""

import functools
from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.layer import value_of

# Under PyTorch this is Keras' class for that backend, which a plain subclass of keras.optimizers.AdamW would miss.
_AdamW: Any = type(keras.optimizers.AdamW.__new__(keras.optimizers.AdamW))


class OnePassAdamW(_AdamW):
    """`keras.optimizers.AdamW`, by the fused kernels of PyTorch, for weights on a CPU, and of TensorFlow.

    Keras' steps are a dozen passes over weights and moments: on PyTorch a step of ViT-S/16 takes 121 ms, a fused one
    8, of a training step of 1.25 s (batch 8, two cores). Averaged weights and the norm of all gradients are quicker
    likewise. On TensorFlow they are a third of all operations of a training step, which it has to record. Weights
    that `tf.distribute` spreads over devices are Keras' matter.

    Takes the arguments of `keras.optimizers.AdamW`, and its numbers are the same within rounding.
    """

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        if _is_on_tensorflow(variables):
            self._decay_on_tensorflow(variables)
        elif not _has_fast_kernels(variables):  # which decay weights in the same pass
            super()._apply_weight_decay(variables)

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if _is_on_tensorflow(trainable_variables, grads) and _is_wide(trainable_variables) and not self.amsgrad:
            self._step_on_tensorflow(grads, trainable_variables, learning_rate)
            return
        if not _has_fast_kernels(trainable_variables):
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        decays = [self.weight_decay if self._use_weight_decay(variable) else 0.0 for variable in trainable_variables]
        for decay in dict.fromkeys(decays):
            group = [place for place, each in enumerate(decays) if each == decay]
            self._step_on_torch(
                [grads[place] for place in group],
                [trainable_variables[place] for place in group],
                float(learning_rate),
                decay or 0.0,
            )

    def _decay_on_tensorflow(self, variables: Sequence[Any]) -> None:
        import tensorflow as tf

        if not self.weight_decay:
            return
        share = tf.convert_to_tensor(self.learning_rate) * self.weight_decay
        for variable in variables:
            if self._use_weight_decay(variable):
                value = value_of(variable)
                value.assign_sub(value * tf.cast(share, value.dtype))

    def _step_on_tensorflow(self, grads: Sequence[Any], variables: Sequence[Any], learning_rate: Any) -> None:
        import tensorflow as tf

        @functools.cache
        def numbers(dtype: Any) -> dict[str, Any]:
            step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, dtype)
            named = {"lr": learning_rate, "beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon}
            cast = {name: tf.cast(number, dtype) for name, number in named.items()}
            # Corrected as Keras does it, so that the kernel has nothing left to correct. What the kernel adds to the
            # moments is off by a factor: it takes a rounded beta from 1, and 1 - 0.999 has four digits.
            scalar = tf.as_dtype(dtype).as_numpy_dtype
            off = [float(1 - scalar(beta)) / (1 - beta) for beta in (self.beta_1, self.beta_2)]
            shrunk = [1 - tf.pow(cast[name], step) for name in ("beta1", "beta2")]
            cast["lr"] *= tf.sqrt(shrunk[1]) / shrunk[0] * (off[1] ** 0.5 / off[0])
            return cast | dict.fromkeys(("beta1_power", "beta2_power"), tf.zeros((), dtype))

        for gradient, variable in zip(grads, variables, strict=True):
            value, place = value_of(variable), self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle,
                m=self._momentums[place].value.handle,
                v=self._velocities[place].value.handle,
                grad=tf.cast(gradient, value.dtype),
                **numbers(value.dtype),
            )

    def _step_on_torch(self, grads: list[Any], variables: list[Any], learning_rate: float, weight_decay: float) -> None:
        import torch
        from torch.optim.adamw import adamw

        steps_before = int(self.iterations)
        places = [self._get_variable_index(variable) for variable in variables]
        values = [variable.value for variable in variables]
        with torch.no_grad():
            adamw(
                values,
                # The kernel goes by places in memory.
                [gradient.to(value.dtype).contiguous() for gradient, value in zip(grads, values, strict=True)],
                [self._momentums[place].value for place in places],
                [self._velocities[place].value for place in places],
                [self._velocity_hats[place].value for place in places] if self.amsgrad else [],
                list(torch.full((len(places),), float(steps_before)).unbind()),
                fused=True,
                amsgrad=self.amsgrad,
                beta1=self.beta_1,
                beta2=self.beta_2,
                lr=learning_rate,
                weight_decay=weight_decay,
                # PyTorch adds it to the root of the corrected velocity, Keras to that of the plain one.
                eps=self.epsilon / (1 - self.beta_2 ** (steps_before + 1)) ** 0.5,
                maximize=False,
            )

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        if not self.use_ema or not _has_fast_kernels(trainable_variables):
            super()._update_model_variables_moving_average(trainable_variables)
            return
        import torch

        pairs = zip(self._model_variables_moving_average, trainable_variables, strict=True)
        averages, values = zip(
            *((each.value, variable.value) for each, variable in pairs if each is not None), strict=True
        )
        with torch.no_grad():
            torch._foreach_lerp_(averages, values, 1 - self.ema_momentum if int(self.iterations) else 1.0)

    def _clip_gradients(self, grads: Sequence[Any]) -> Any:
        if not self.global_clipnorm or self.clipnorm or not _has_fast_kernels(grads):
            return super()._clip_gradients(grads)
        import torch

        norm = torch.nn.utils.get_total_norm(grads)
        # As in Keras, one number that is not finite makes all of them NaN.
        return torch._foreach_mul(grads, torch.clamp(self.global_clipnorm / norm, max=1.0) + (norm - norm))


def _is_on_tensorflow(variables: Sequence[Any], grads: Sequence[Any] = ()) -> bool:
    """Whether all of these are TensorFlow's, dense, and not spread over devices."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return (
        not tf.distribute.has_strategy()
        and all(isinstance(gradient, tf.Tensor) for gradient in grads)
        and not any(hasattr(value_of(variable), "values") for variable in variables)  # of each device
    )


def _is_wide(variables: Sequence[Any]) -> bool:
    """Whether the numbers of none are half precision, in which 0.999 is 1."""
    return all(keras.backend.standardize_dtype(variable.dtype) in ("float32", "float64") for variable in variables)


def _has_fast_kernels(tensors: Sequence[Any]) -> bool:
    """Whether all of these are PyTorch's, on a CPU, in order, and no graph is being made."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    values = [getattr(tensor, "value", tensor) for tensor in tensors]
    return not torch.compiler.is_compiling() and all(
        isinstance(value, torch.Tensor) and value.device.type == "cpu" and value.is_contiguous() for value in values
    )
