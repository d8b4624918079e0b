"""Pixel preprocessing: a model's resize, crop and normalisation as a layer, to run and to export with the model."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.layers.layer import Layer
from keras_vit.layers.resize_matrices import FILTERS, resize_matrix
from keras_vit.preprocessing import Preprocessing


@keras.saving.register_keras_serializable(package="keras_vit")
class PixelPreprocessing(Layer):
    """Turns raw pixels 0..255 of any size into normalised model input, as `Preprocessing` does with arrays.

    Equal to `Preprocessing` of float arrays up to float rounding. Of 8-bit arrays `Preprocessing` also rounds the
    resized pixels to 8 bits, as PIL does, which this layer does not: a gradient passes.

    Args:
        preprocessing: The record, or its fields as plain data.

    Call:
        pixels: (batch, height, width, channels) uint8, or float in 0..255 -> float32 (batch, *image_size, channels).

    Raises:
        ValueError: The record's interpolation is "box" or "nearest".
    """

    def __init__(self, preprocessing: Preprocessing | dict[str, Any], **kwargs: Any) -> None:
        # Never lower: a bfloat16 holds 8 bits of a weight, and pixels of 4000 rows go into one sum.
        super().__init__(**{**kwargs, "dtype": "float32"})
        is_record = isinstance(preprocessing, Preprocessing)
        record: Any = preprocessing if is_record else Preprocessing.from_dict(preprocessing)  # type: ignore[arg-type]
        if record.interpolation not in FILTERS:
            raise ValueError(
                f"Preprocessing inside a model needs interpolation to be one of {', '.join(FILTERS)}; got "
                f"{record.interpolation!r}. Preprocess outside, with model.preprocessing(images)."
            )
        self.preprocessing = record

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, pixels: Any) -> Any:
        record = self.preprocessing
        height, width, channels = ops.shape(pixels)[1:]
        down, across = self._matrices(height, width)
        rows = record.image_size[0]
        pixels = ops.reshape(ops.cast(pixels, "float32"), (-1, height, width * channels))
        pixels = ops.reshape(ops.matmul(down, pixels), (-1, rows, width, channels))
        pixels = ops.matmul(ops.transpose(pixels, (0, 1, 3, 2)), ops.transpose(across))
        pixels = ops.clip(ops.transpose(pixels, (0, 1, 3, 2)), 0, 255)  # bicubic and Lanczos overshoot
        if record.crop_mode == "border":
            covered = ops.sum(down, axis=1)[:, None, None] * ops.sum(across, axis=1)[None, :, None]
            colour = np.clip(np.rint(255 * np.array(record.mean)), 0, 255).astype("float32")
            pixels = pixels + (1 - ops.round(covered)) * ops.convert_to_tensor(colour)
        scale, shift = map(ops.convert_to_tensor, record.scale_and_shift)
        return pixels * scale - shift

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *self.preprocessing.image_size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "preprocessing": self.preprocessing.to_dict()}

    def _matrices(self, height: Any, width: Any) -> tuple[Any, Any]:
        record = self.preprocessing
        is_static = isinstance(height, int) and isinstance(width, int)
        xp = np if is_static else ops
        resized = record.resized_size(height, width) if is_static else late_size(record, height, width)
        matrices = [
            resize_matrix(record.interpolation, *sizes, xp=xp)
            for sizes in zip((height, width), resized, record.image_size, strict=True)
        ]
        down, across = (ops.convert_to_tensor(matrix, "float32") for matrix in matrices)
        return down, across


def late_size(record: Preprocessing, height: Any, width: Any) -> tuple[Any, Any]:
    """Returns `record.resized_size` of sizes that only tensors know, in whole numbers.

    Where the longer side would end on exactly half a pixel it may differ by one pixel: there floats round either way.
    """
    rows, columns = (math.floor(side / record.crop_fraction) for side in record.image_size)
    if record.crop_mode == "squash":
        return rows, columns
    if record.crop_mode == "center" and rows == columns:
        shorter = ops.minimum(height, width)
        return rows * height // shorter, rows * width // shorter
    by_height, by_width = height * columns, width * rows
    fits_height = by_height < by_width if record.crop_mode == "center" else by_height > by_width
    resized_height = ops.where(fits_height, rows, _rounded_ratio(by_height, width))
    resized_width = ops.where(fits_height, _rounded_ratio(by_width, height), columns)
    return resized_height, resized_width


def _rounded_ratio(numerator: Any, denominator: Any) -> Any:
    """Whole-number division, rounded to the nearest, halves to the even number, and at least 1."""
    doubled = 2 * numerator + denominator
    quotient = doubled // (2 * denominator)
    is_odd_half = ops.logical_and(doubled % (2 * denominator) == 0, quotient % 2 == 1)
    return ops.maximum(1, quotient - ops.cast(is_odd_half, "int32"))
