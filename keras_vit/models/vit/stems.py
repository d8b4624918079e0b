"""Stems: networks in front of a ViT, whose feature map takes the place of pixels."""

import dataclasses
from typing import Any

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
    _check_inputs(stem, config)
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


def copy_of(stem: keras.Model) -> keras.Model:
    """Returns a model with the same weights whose variables are found under "stem".

    Raises:
        TypeError: It is no functional model, so that Keras cannot build it again from its config.
        ValueError: It does not take images, or two of its variables have one path.
    """
    if not isinstance(stem, keras.Model) or not hasattr(stem, "input_shape"):
        raise TypeError(
            f"ViT needs its stem to be a functional or sequential keras.Model; got {stem!r}. Wrap layers: "
            "keras.Model(inputs, outputs)."
        )
    shapes = stem.input_shape, stem.output_shape
    if not all(isinstance(shape, tuple) and len(shape) == 4 for shape in shapes):
        raise ValueError(
            f"ViT needs a stem from images to a feature map (batch, rows, columns, channels); got {shapes[0]} -> "
            f"{shapes[1]}. Of keras.applications, pass include_top=False."
        )
    with keras.name_scope(NAME):
        copy = type(stem).from_config({**stem.get_config(), "name": NAME})
    copy.set_weights(stem.get_weights())
    copy.trainable = stem.trainable
    paths = [weight.path for weight in copy.weights]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(f"ViT needs a stem whose layers have names of their own; got {twice!r} twice. Rename one.")
    return copy


def usual_patch_size(stem: keras.Model, fields: dict[str, Any]) -> tuple[int, int]:
    """Returns the patch size that makes one token of each place of the stem's map, for some fields of the config."""
    given = {name: value for name, value in fields.items() if name in ("image_size", "in_channels")}
    pixels = ViTConfig.from_dict({**given, "patch_size": 1})
    _check_inputs(stem, pixels)
    return map_strides(stem, pixels.usual_size, pixels.in_channels)


def _check_inputs(stem: keras.layers.Layer, config: ViTConfig) -> None:
    """Raises where a model takes other images than the config says; layers take any."""
    if not isinstance(stem, keras.Model):
        return
    needed = tuple(stem.input_shape[1:])
    wanted = (*(config.image_size or (None, None)), config.in_channels)
    if any(size not in (None, given) for size, given in zip(needed, wanted, strict=True)):
        raise ValueError(
            f"A stem needs to take the images of the model; it takes {needed}, the model's are {wanted}. Give the "
            "model that image_size and in_channels, or build the stem for any size."
        )


def _divided(sizes: tuple[int, int], strides: tuple[int, int]) -> tuple[int, int]:
    return -(-sizes[0] // strides[0]), -(-sizes[1] // strides[1])
