"""A model with its preprocessing inside: raw pixels in, logits or probabilities out."""

from typing import Any

import keras

from keras_vit.layers.pixel_preprocessing import PixelPreprocessing

PIXEL_DTYPES = ("float32", "uint8")


def with_preprocessing(model: Any, *, size: Any = None, softmax: bool = False, pixel_dtype: str = "float32") -> Any:
    """Returns `model.with_preprocessing(...)`; see there."""
    if pixel_dtype not in PIXEL_DTYPES:
        raise ValueError(f"with_preprocessing needs pixel_dtype to be one of {PIXEL_DTYPES}; got {pixel_dtype!r}.")
    if softmax and len(model.outputs[0].shape) != 2:
        raise ValueError(
            "with_preprocessing needs a model with one vector of logits per image for softmax=True; got "
            f"num_classes={model.config.num_classes}, output shape {tuple(model.outputs[0].shape)}."
        )
    height, width = _check_size(size)
    pixels = keras.Input((height, width, model.config.in_channels), dtype=pixel_dtype, name="pixels")
    outputs = model(PixelPreprocessing(model.preprocessing, name="preprocessing")(pixels))
    if softmax:
        outputs = keras.layers.Softmax(dtype="float32", name="probabilities")(outputs)
    return keras.Model(pixels, outputs, name=f"{model.name}_with_preprocessing")


def _check_size(size: Any) -> tuple[int | None, int | None]:
    if size is None:
        return None, None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"with_preprocessing needs size as (height, width) in pixels, > 0, or None; got {size!r}.")
    return sides
