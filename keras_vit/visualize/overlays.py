"""Overlays: maps over the patches, drawn on the images that they belong to."""

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.preprocessing import load_image
from keras_vit.preprocessing.images import resize

if TYPE_CHECKING:
    from PIL import Image

# From dark to bright, so that it reads in grey as well: five colours of matplotlib's "inferno".
_COLOURS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))


def overlay(
    image: Any,
    patch_map: Any,
    *,
    opacity: float = 0.6,
    limits: tuple[float, float] | None = None,
    interpolation: str = "bicubic",
) -> "Image.Image":
    """Returns a picture of an image under a map, at the size of the image.

    Dark stands for low values, bright for high ones. A map belongs to the pixels that the model saw: `seen_pixels`
    returns them, or `model.preprocessing.resize_and_crop`.

    Args:
        image: A path, PIL image or pixel array.
        patch_map: (rows, columns).
        opacity: Share of the map in the picture, 0 to 1.
        limits: The values that are darkest and brightest; None takes the map's own lowest and highest.
        interpolation: "bicubic" blurs the borders between patches, "nearest" keeps them.

    Raises:
        ValueError: The map has other than two axes or holds NaN, an argument is out of range, or the image can't be
            read.
    """
    values = np.asarray(patch_map, "float32")
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"overlay needs one finite map (rows, columns); got values of shape {values.shape}.")
    if not 0 <= opacity <= 1:
        raise ValueError(f"overlay needs 0 <= opacity <= 1; got {opacity=}.")
    if interpolation not in ("bicubic", "nearest"):
        raise ValueError(f"overlay needs interpolation to be 'bicubic' or 'nearest'; got {interpolation!r}.")
    from PIL import Image

    pixels = np.asarray(load_image(image), "float32")
    low, high = limits or (float(values.min()), float(values.max()))
    scaled = np.clip((values - low) / ((high - low) or 1), 0, 1)[..., None] * 255
    colours = colour(resize(scaled, pixels.shape[:2], interpolation)[..., 0] / 255)
    blended = (1 - opacity) * pixels + opacity * colours
    return Image.fromarray(np.rint(blended).astype("uint8"))


def colour(values: np.ndarray) -> np.ndarray:
    """Returns the colours (..., 3), 0..255, of values from 0 (dark) to 1 (bright)."""
    places = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(values, places, channel) for channel in zip(*_COLOURS, strict=True)], axis=-1)
