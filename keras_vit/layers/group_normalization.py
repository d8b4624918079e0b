"""Group normalisation that sums over places before it sums over channels."""

import functools
from typing import Any

import keras
from keras import ops

from keras_vit.layers.layer import Layer


@keras.saving.register_keras_serializable(package="keras_vit")
class GroupNormalization(Layer, keras.layers.GroupNormalization):
    """`keras.layers.GroupNormalization` of feature maps, channels last, in fewer passes over memory.

    Keras takes the groups apart first, which makes an axis of few channels the innermost one: for 8 maps of 56 x 56 x
    64 that took 15 ms on TensorFlow, 9 on JAX and 12 on PyTorch; this takes 6, 2 and 3. Statistics and products are in
    float32, whatever the dtype of the maps.

    Args:
        groups: Number of groups, > 0; it divides the channels.
        kwargs: As for `keras.layers.GroupNormalization`.

    Call:
        maps: (batch, rows, columns, channels) -> same shape, in the compute dtype.

    Source: Wu and He, "Group Normalization", 2018, arXiv 1803.08494.
    """

    casts_weights = False

    def call(self, inputs: Any) -> Any:
        maps = ops.cast(inputs, "float32")
        gamma, beta = ops.cast(self.gamma, "float32"), ops.cast(self.beta, "float32")
        if keras.backend.backend() == "torch":
            return ops.cast(_norm_on_torch(maps, gamma, beta, self.groups, self.epsilon), self.compute_dtype)
        centred = maps - _mean_of_groups(ops.mean(maps, axis=(1, 2)), self.groups)
        variance = _mean_of_groups(ops.mean(ops.square(centred), axis=(1, 2)), self.groups)
        return ops.cast(centred * (ops.rsqrt(variance + self.epsilon) * gamma) + beta, self.compute_dtype)


def _mean_of_groups(means: Any, groups: int) -> Any:
    """(batch, channels) -> (batch, 1, 1, channels), all channels of a group alike."""
    by_group = ops.reshape(means, (-1, groups, means.shape[-1] // groups))
    alike = ops.zeros_like(by_group) + ops.mean(by_group, axis=-1, keepdims=True)
    return ops.reshape(alike, (-1, 1, 1, means.shape[-1]))


def _norm_on_torch(maps: Any, gamma: Any, beta: Any, groups: int, epsilon: float) -> Any:
    """Keeps channels innermost in memory, as the convolutions around it do.

    PyTorch's own kernel wants a copy in another order, or else sums one number after the other: four to thirty times
    the error of this where means are small, more where they are not.
    """
    import torch

    maps, gamma, beta = (ops.convert_to_tensor(each) for each in (maps, gamma, beta))
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return _norm_with_gradient()(maps, gamma, beta, groups, epsilon)
    centred, deviation = _centre(maps, groups, epsilon)
    return torch.addcmul(beta, centred, gamma / deviation)


def _centre(maps: Any, groups: int, epsilon: float) -> tuple[Any, Any]:
    """Returns maps without the mean of their group, and the standard deviation, (batch, 1, 1, channels)."""
    # Squares of maps that are not centred would save a third of the time, and half of the digits where means are large.
    centred = maps - _mean_of_groups(maps.mean((1, 2)), groups)
    variance = _mean_of_groups(centred.square().mean((1, 2)), groups)
    return centred, (variance + epsilon).sqrt()


@functools.cache
def _norm_with_gradient() -> Any:
    """Returns the norm whose gradient takes 5 passes over memory; what PyTorch would derive takes 10."""
    import torch

    class Norm(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, maps: Any, gamma: Any, beta: Any, groups: int, epsilon: float) -> Any:
            centred, deviation = _centre(maps, groups, epsilon)
            context.save_for_backward(centred, gamma, deviation)
            context.groups = groups
            return torch.addcmul(beta, centred, gamma / deviation)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context: Any, gradient: Any) -> Any:
            centred, gamma, deviation = context.saved_tensors
            num_places = centred.shape[1] * centred.shape[2]
            products = gradient * centred
            of_beta = gradient.sum((1, 2), keepdim=True)
            of_gamma = products.sum((1, 2), keepdim=True) / deviation
            # From each gradient, times gamma, goes what moves the mean of its group, and what moves the deviation.
            of_mean, of_deviation = (
                _mean_of_groups((each * gamma).flatten(1), context.groups) / num_places for each in (of_beta, of_gamma)
            )
            slope = -of_deviation / deviation.square()
            of_maps = torch.addcmul(-of_mean / deviation, centred, slope, out=products)
            of_maps.addcmul_(gradient, gamma / deviation)
            return of_maps, of_gamma.sum((0, 1, 2)), of_beta.sum((0, 1, 2)), None, None

    return Norm.apply
