"""What surrounds convolutions, and they themselves: borders that Keras has no name for, and no needless copies."""

from typing import Any

import keras
from keras import ops


def convolve(
    maps: Any, kernel: Any, bias: Any = None, *, stride: int | tuple[int, int] = 1, border: int | None = 0
) -> Any:
    """Returns the convolution of maps, with a bias if there is one.

    Args:
        maps: (batch, rows, columns, channels).
        kernel: (height, width, channels, filters).
        bias: (filters,).
        stride: From one place to the next.
        border: Zeros around the maps; None means as many as make ceil(size / stride) places, Keras' padding="same",
            which puts fewer of them at the top and left, where there are strides.
    """
    if keras.backend.backend() == "torch":
        maps, padding = _pad_on_torch(maps, kernel.shape[:2], stride) if border is None else (maps, border)
        # On one thread PyTorch takes up to a third longer with kernels of one pixel, which it gives to another library
        # than all others, unless they are dilated; one pixel is the same with that.
        dilation = 2 if tuple(kernel.shape[:2]) == (1, 1) else 1
        return _convolve_on_torch(maps, kernel, bias, (3, 2, 0, 1), stride=stride, padding=padding, dilation=dilation)
    padding = "valid" if border is not None else "same"
    padded = ops.pad(maps, ((0, 0), (border, border), (border, border), (0, 0))) if border else maps
    convolved = ops.conv(padded, kernel, strides=stride, padding=padding, data_format="channels_last")
    return convolved if bias is None else ops.add(convolved, bias)


def max_pool(maps: Any) -> Any:
    """Returns the largest of 3 x 3 places, (batch, ceil(rows / 2), ceil(columns / 2), channels)."""
    if keras.backend.backend() != "torch":
        return ops.max_pool(maps, 3, 2, padding="same", data_format="channels_last")
    import torch

    # Keras copies maps to another order of memory, in which PyTorch takes nine times as long.
    borders = [size % 2 for size in maps.shape[1:3]]
    pooled = torch.nn.functional.max_pool2d(maps.permute(0, 3, 1, 2), 3, 2, padding=borders, ceil_mode=True)
    return pooled.permute(0, 2, 3, 1)


def relu_in_place(maps: Any) -> Any:
    """Returns maps without their negative numbers; maps that nothing else reads, since PyTorch overwrites them."""
    return ops.convert_to_tensor(maps).relu_() if keras.backend.backend() == "torch" else ops.relu(maps)


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

    kernel = ops.convert_to_tensor(kernel)
    bias = None if bias is None else ops.convert_to_tensor(bias)
    convolved = torch.nn.functional.conv2d(maps.permute(0, 3, 1, 2), kernel.permute(order), bias, **settings)
    return convolved.permute(0, 2, 3, 1)


def _pad_on_torch(maps: Any, kernel_size: tuple[int, int], stride: int | tuple[int, int]) -> tuple[Any, Any]:
    """Returns maps, and the zeros that the convolution adds itself, because both sides have as many."""
    import torch

    borders = []
    strides = (stride, stride) if isinstance(stride, int) else stride
    for size, kernel, step in zip(maps.shape[1:3], kernel_size, strides, strict=True):
        num_zeros = max((-(-size // step) - 1) * step + kernel - size, 0)
        borders.append((num_zeros // 2, num_zeros - num_zeros // 2))
    (top, bottom), (left, right) = borders
    if top == bottom and left == right:
        return maps, (top, left)
    return torch.nn.functional.pad(maps, (0, 0, left, right, top, bottom)), 0


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
