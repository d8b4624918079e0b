"""Stems: networks in front of a ViT, whose feature map takes the place of pixels."""

import dataclasses

import keras

from keras_vit.models.vit.config import ViTConfig

NAME = "stem"


def behind(config: ViTConfig, strides: tuple[int, int], num_channels: int) -> ViTConfig:
    """Returns the settings of the ViT that sees a feature map as its image.

    Args:
        config: Settings of the whole, in pixels.
        strides: Pixels (down, to the right) from one place of the map to the next; they divide the patch size.
        num_channels: Channels of the map.
    """
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(ViTConfig)}
    sizes = None if config.image_size is None else _divided(config.image_size, strides)
    changes = {
        "image_size": sizes,
        "patch_size": _divided(config.patch_size, strides),
        "in_channels": num_channels,
        "position_grid": config.grid_size,
    }
    return ViTConfig(**{**fields, **changes})


def strides_of(stem: keras.layers.Layer, config: ViTConfig) -> tuple[int, int]:
    """Returns the pixels from one place of a stem's feature map to the next.

    Raises:
        ValueError: The places of the map do not make whole patches.
    """
    (rows, columns), (height, width) = config.grid_size, config.patch_size
    return map_strides(stem, (rows * height, columns * width), config.in_channels, config.patch_size)


def map_strides(
    stem: keras.layers.Layer, image_size: tuple[int, int], in_channels: int, patch_size: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Returns the strides as `strides_of` does, for images of (height, width) pixels."""
    shape = tuple(stem.compute_output_shape((1, *image_size, in_channels)))
    if len(shape) != 4 or None in shape[1:] or 0 in shape[1:]:
        raise ValueError(f"A stem needs to return a feature map (batch, rows, columns, channels); got shape {shape}.")
    sizes = (shape[1], shape[2])
    strides = (image_size[0] // sizes[0], image_size[1] // sizes[1])
    is_even = all(size == count * stride for size, count, stride in zip(image_size, sizes, strides, strict=True))
    is_whole = patch_size is None or all(
        patch % stride == 0 for patch, stride in zip(patch_size, strides, strict=True) if stride
    )
    if not is_even or not is_whole:
        raise ValueError(
            f"A stem needs a feature map whose places make up patches; got a map of {sizes[0]} x {sizes[1]} places for "
            f"images of {image_size[0]} x {image_size[1]} pixels, {patch_size=}. Choose an image_size that the strides "
            "of the stem divide, and a patch_size that is a multiple of them, or leave patch_size out."
        )
    return strides


def _divided(sizes: tuple[int, int], strides: tuple[int, int]) -> tuple[int, int]:
    return -(-sizes[0] // strides[0]), -(-sizes[1] // strides[1])
