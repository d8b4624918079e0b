"""Convolutions with equal borders on all sides, which Keras has no name for, and without needless copies."""

from typing import Any

import keras
from keras import ops


def convolve(maps: Any, kernel: Any, bias: Any, *, stride: int = 1, border: int = 0) -> Any:
    """Returns the convolution of maps, with a bias.

    Args:
        maps: (batch, rows, columns, channels).
        kernel: (height, width, channels, filters).
        bias: (filters,).
        stride: From one place to the next.
        border: Zeros around the maps. Keras' padding="same" puts fewer of them at the top and left, where there are
            strides.
    """
    if keras.backend.backend() == "torch":
        return _convolve_on_torch(maps, kernel, bias, (3, 2, 0, 1), stride=stride, padding=border)
    padded = ops.pad(maps, ((0, 0), (border, border), (border, border), (0, 0))) if border else maps
    convolved = ops.conv(padded, kernel, strides=stride, padding="valid", data_format="channels_last")
    return ops.add(convolved, bias)


def convolve_depthwise(maps: Any, kernel: Any, bias: Any) -> Any:
    """Returns the convolution of each channel by itself, of the same size as the maps, with a bias.

    Args:
        maps: (batch, rows, columns, channels).
        kernel: (size, size, channels, 1), of an odd size.
        bias: (channels,).
    """
    backend, border = keras.backend.backend(), kernel.shape[0] // 2
    if backend == "torch":
        groups = kernel.shape[2]
        return _convolve_on_torch(maps, kernel, bias, (2, 3, 0, 1), padding=border, groups=groups)
    if backend == "jax":
        return ops.add(_shift_and_add(maps, kernel, border), bias)
    return ops.add(ops.depthwise_conv(maps, kernel, padding="same", data_format="channels_last"), bias)


def _convolve_on_torch(maps: Any, kernel: Any, bias: Any, order: tuple[int, ...], **settings: Any) -> Any:
    """One kernel of PyTorch; Keras' operation pads a copy first, and its bias is a pass of its own.

    Copies were a third of a forward step of PVTv2-B2.
    """
    import torch

    kernel, bias = ops.convert_to_tensor(kernel), ops.convert_to_tensor(bias)
    convolved = torch.nn.functional.conv2d(maps.permute(0, 3, 1, 2), kernel.permute(order), bias, **settings)
    return convolved.permute(0, 2, 3, 1)


def _shift_and_add(maps: Any, kernel: Any, border: int) -> Any:
    """The same without XLA's grouped convolution, which is 18 times as slow on CPUs (56 x 56 patches, 512 channels)."""
    rows, columns = maps.shape[1:3]
    padded = ops.pad(maps, ((0, 0), (border, border), (border, border), (0, 0)))
    shifted = (
        padded[:, row : row + rows, column : column + columns] * kernel[row, column, :, 0]
        for row in range(kernel.shape[0])
        for column in range(kernel.shape[1])
    )
    total = next(shifted)
    for each in shifted:
        total = total + each
    return total
