"""What one image costs any Keras model: multiplications with an addition, counted layer by layer."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_vit.models import VisionModel
from keras_vit.models.vit.stems import behind, strides_of


def count_macs(model: keras.Model, image_shape: tuple[int, int, int]) -> int:
    """Returns the multiply-accumulate operations for one image.

    Counted are kernels: of convolutions, depthwise, separable and transposed ones too, of Dense and EinsumDense layers,
    at any depth, each as often as it is called; and the two products of Keras' MultiHeadAttention. Norms, activations,
    pooling, resizing and additions, all of them small, are not, nor are products that a layer makes without a kernel.
    Models of this package count themselves, attention included.

    Args:
        model: The model; it is called once, with an image of zeros.
        image_shape: (height, width, channels).
    """
    if isinstance(model, VisionModel):
        stem = next((layer for layer in model.layers if isinstance(layer, keras.Model)), None)
        return model.count_macs(model.config, image_shape[:2]) if stem is None else _behind(model, stem, image_shape)
    counts: list[int] = []
    with _watched(model, counts):
        model(np.zeros((1, *image_shape), "float32"), training=False)
    return sum(counts)


def _behind(model: Any, stem: keras.Model, image_shape: tuple[int, int, int]) -> int:
    """Counts a ViT behind a stem that was given to it: the stem, and the ViT on its feature map."""
    _, rows, columns, num_channels = stem.compute_output_shape((1, *image_shape))
    on_map = behind(model.config, strides_of(stem, model.config), num_channels)
    return count_macs(stem, image_shape) + model.count_macs(on_map, (rows, columns))


@contextlib.contextmanager
def _watched(model: keras.Model, counts: list[int]) -> Iterator[None]:
    """Has every layer that is counted note what its calls cost."""
    counted = [(layer, rule) for layer in model._flatten_layers() if (rule := _rule(layer)) is not None]
    for layer, rule in counted:
        # Past Keras' own __setattr__, which tracks what a layer is given.
        object.__setattr__(layer, "call", _watch(layer, rule, counts))
    try:
        yield
    finally:
        for layer, _ in counted:
            object.__delattr__(layer, "call")


def _watch(layer: Any, rule: Callable[..., int], counts: list[int]) -> Callable[..., Any]:
    call = layer.call

    @functools.wraps(call)
    def watched(*args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        counts.append(rule(layer, outputs, *args, **kwargs))
        return outputs

    return watched


def _rule(layer: Any) -> Callable[..., int] | None:
    layers = keras.layers
    rules = (
        ((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), _transposed),
        ((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
        ((layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D, layers.DepthwiseConv2D), _convolution),
        ((layers.Dense,), _dense),
        ((layers.EinsumDense,), _einsum),
        ((layers.MultiHeadAttention,), _attention),
    )
    return next((rule for kinds, rule in rules if isinstance(layer, kinds)), None)


def _positions(maps: Any, layer: Any) -> int:
    shape = maps.shape
    return math.prod(shape[2:] if layer.data_format == "channels_first" else shape[1:-1])


def _convolution(layer: Any, outputs: Any, *_: Any, **__: Any) -> int:
    # A grouped kernel has only the channels of its group, so that this holds for groups too.
    return _positions(outputs, layer) * math.prod(layer.kernel.shape)


def _separable(layer: Any, outputs: Any, *_: Any, **__: Any) -> int:
    kernels = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
    return _positions(outputs, layer) * kernels


def _transposed(layer: Any, outputs: Any, inputs: Any, *_: Any, **__: Any) -> int:
    return _positions(inputs, layer) * math.prod(layer.kernel.shape)


def _dense(layer: Any, outputs: Any, inputs: Any, *_: Any, **__: Any) -> int:
    return math.prod(inputs.shape[1:-1]) * math.prod(layer.kernel.shape)


def _einsum(layer: Any, outputs: Any, *_: Any, **__: Any) -> int:
    """Each product of the kernel is made once for every place of the output that the kernel has no axis for."""
    kernel, result = layer.equation.split(",")[1].split("->")
    own = result.replace("...", "")
    shared = math.prod(outputs.shape[1:])  # of one image
    return shared * math.prod(size for axis, size in zip(kernel, layer.kernel.shape, strict=True) if axis not in own)


def _attention(layer: Any, outputs: Any, query: Any, value: Any, *_: Any, **__: Any) -> int:
    num_queries, num_keys = math.prod(query.shape[1:-1]), math.prod(value.shape[1:-1])
    return num_queries * num_keys * layer.num_heads * (layer.key_dim + layer.value_dim)
