"""Adaptations: what becomes of stored ViT weights when the model has another image size, patch size or channels."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_vit.checkpoints import Adaptation
from keras_vit.models.vit.config import ViTConfig
from keras_vit.resampling import resample_grid, resample_patch_kernel

Array = NDArray[Any]


def adaptations(stored: ViTConfig, wanted: ViTConfig) -> dict[str, Adaptation]:
    """Returns how the weights of one config become those of another, for each variable whose shape changes."""
    found = {}
    if wanted.positional_encoding != "none" and stored.grid_size != wanted.grid_size:
        found["positional_encoding/table"] = Adaptation(
            shape=(*stored.grid_size, stored.embed_dim),
            fit=functools.partial(_fit_positions, rows=wanted.grid_size[0], columns=wanted.grid_size[1]),
        )
    if stored.patch_size != wanted.patch_size or stored.in_channels != wanted.in_channels:
        found["patch_embedding/kernel"] = Adaptation(
            shape=(*stored.patch_size, stored.in_channels, stored.embed_dim),
            fit=functools.partial(_fit_kernel, patch_size=wanted.patch_size, in_channels=wanted.in_channels),
            status="adapted" if stored.in_channels != wanted.in_channels else "resampled",
        )
    return found


def adapt_channels(kernel: Array, in_channels: int) -> Array:
    """Returns a patch kernel (height, width, channels, embed_dim) for another number of channels.

    One channel gets the sum over colours, so that a grey image gives what its three equal channels gave. More
    channels repeat red, green, blue and scale them, so that the sums keep their size.

    Raises:
        ValueError: The kernel is not for RGB images.

    Source: timm's `adapt_input_conv`.
    """
    stored = kernel.shape[2]
    if stored == in_channels:
        return kernel
    if stored != 3:
        raise ValueError(f"only kernels for 3 channels can be adapted; this one has {stored}, wanted are {in_channels}")
    if in_channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    repeated = np.tile(kernel, (1, 1, -(-in_channels // 3), 1))[:, :, :in_channels]
    return repeated * np.asarray(3 / in_channels, kernel.dtype)


def _fit_positions(table: Array, *, rows: int, columns: int) -> Array:
    return resample_grid(table, rows, columns)


def _fit_kernel(kernel: Array, *, patch_size: tuple[int, int], in_channels: int) -> Array:
    return resample_patch_kernel(adapt_channels(kernel, in_channels), *patch_size)
