"""Image reading: turns files, PIL images and arrays into upright grey or RGB pixels, and resizes them."""

import os
import struct
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

# What one image may be. An array is (height, width) or (height, width, channels): whole numbers are 0..255 (uint16:
# 0..65535), floats are 0..1. Tensors of the three backends count as arrays.
# Union, because `|` would look PIL up at import.
ImageLike: TypeAlias = Union[str, os.PathLike[str], "Image.Image", np.ndarray]

# A PIL image of 8-bit pixels, or (height, width, channels) as uint8 or as float32 in 0..255.
Pixels: TypeAlias = Union["Image.Image", np.ndarray]

ORIENTATION_TAG = 0x0112  # EXIF
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2, as PIL's conversion to grey


class ImageError(ValueError):
    """An image that can't be used: a missing, broken or truncated file, or pixels of the wrong shape or range."""


def load_image(image: ImageLike, num_channels: int = 3) -> Pixels:
    """Reads one image completely and gives it the asked-for channels.

    Files and PIL images are turned upright by their EXIF orientation. Grey, palette, CMYK and other colour modes are
    converted as `PIL.Image.convert` does; transparency is dropped, not blended, as in timm and transformers. 16-bit
    grey is scaled by 255 / 65535 (`convert` would clip it). Of an animation the first frame is read.

    Args:
        image: Path, PIL image, or array; see `ImageLike`.
        num_channels: 1 for grey, 3 for RGB; other numbers need arrays that have exactly so many.

    Returns:
        A PIL image in mode "L" or "RGB"; or an array (height, width, num_channels) in 0..255 where 8-bit PIL modes
        can't hold the pixels: float32 for 16-bit and float input, uint8 for other numbers of channels.

    Raises:
        ImageError: The image can't be read or has the wrong shape or range; the message names the file.
    """
    from PIL import Image

    if isinstance(image, str | os.PathLike):
        return _from_file(image, num_channels)
    if isinstance(image, Image.Image):
        return _from_pil(image, num_channels, getattr(image, "filename", "") or "the given PIL image")
    return _from_array(np.asarray(image), num_channels)


def size_of(pixels: Pixels) -> tuple[int, int]:
    """Returns (height, width) of what `load_image` returns."""
    return (pixels.shape[0], pixels.shape[1]) if isinstance(pixels, np.ndarray) else (pixels.height, pixels.width)


def resize(
    pixels: Pixels, size: tuple[int, int], interpolation: str, box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Resizes with PIL's antialiased filters.

    Args:
        pixels: What `load_image` returns.
        size: (height, width) of the result.
        interpolation: A filter of PIL in lower case: "bicubic", "bilinear", "lanczos", "box", "hamming", "nearest".
        box: (left, upper, right, lower) in pixels of the source, to resize a part of it; fractions are allowed.

    Returns:
        (height, width, channels) in 0..255: float32 for float32 arrays, otherwise uint8.
    """
    from PIL import Image

    if isinstance(pixels, np.ndarray):
        planes = [Image.fromarray(np.ascontiguousarray(pixels[..., index])) for index in range(pixels.shape[-1])]
    else:
        planes = [pixels]
    method = Image.Resampling[interpolation.upper()]
    resized = [np.asarray(plane.resize(size[::-1], method, box=box)) for plane in planes]
    result = resized[0] if resized[0].ndim == 3 else np.stack(resized, axis=-1)
    # Bicubic and Lanczos overshoot; PIL cuts 8-bit pixels by itself.
    return np.clip(result, 0, 255) if result.dtype == np.float32 else result


def _from_file(path: str | os.PathLike[str], num_channels: int) -> Pixels:
    from PIL import Image

    if not os.path.exists(path):
        raise ImageError(f"Can't read image {os.fspath(path)}: no such file.")
    try:
        with Image.open(path) as image:
            image.load()
    except MemoryError:
        raise
    except Exception as error:  # PIL's decoders raise a dozen types; each means that this file is broken
        raise ImageError(f"Can't read image {os.fspath(path)}: {error}.") from error
    return _from_pil(image, num_channels, os.fspath(path))


def _from_pil(image: "Image.Image", num_channels: int, name: str) -> Pixels:
    if num_channels not in (1, 3):
        raise ImageError(
            f"Files and PIL images need num_channels 1 or 3; got {num_channels=} for {name}. Pass an array instead."
        )
    try:
        image = _upright(image)
        if image.mode.startswith("I") or image.mode == "F":
            return _from_array(_deep_pixels(image), num_channels)
        if "transparency" in image.info:
            image = image.convert("RGBA")  # straight to RGB, PIL warns about palettes with transparency
        return image.convert("L" if num_channels == 1 else "RGB")
    except (OSError, ValueError) as error:
        raise ImageError(f"Can't read image {name}: {error}") from error


def _upright(image: "Image.Image") -> "Image.Image":
    from PIL import ImageOps

    try:
        if image.getexif().get(ORIENTATION_TAG, 1) != 1:
            return ImageOps.exif_transpose(image)
    except (KeyError, OSError, SyntaxError, TypeError, ValueError, struct.error):
        pass  # a broken EXIF block next to sound pixels: the image is used as it lies
    return image


def _deep_pixels(image: "Image.Image") -> np.ndarray:
    """Pixels of the modes with more than 8 bits; 16-bit grey opens as "I" or "I;16", depending on the format."""
    pixels = np.asarray(image)
    if image.mode == "F":
        return pixels
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError(f"grey values go from {pixels.min()} to {pixels.max()}, more than 16 bits.")
    return pixels.astype(np.uint16)


def _from_array(pixels: np.ndarray, num_channels: int) -> Pixels:
    from PIL import Image

    shape = pixels.shape
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    known = {1, 3, 4} if num_channels in (1, 3) else {num_channels}
    if pixels.ndim != 3 or pixels.shape[-1] not in known or 0 in shape:
        raise ImageError(
            f"An image array needs the shape (height, width) or (height, width, channels) with {num_channels} channels "
            f"last; got shape {shape}. A batch of grey images needs a channel axis: images[..., None]."
        )
    pixels = _to_255(pixels)
    if num_channels not in (1, 3):
        return pixels
    if pixels.dtype == np.uint8:
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        return image.convert("L" if num_channels == 1 else "RGB")
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3]
    if pixels.shape[-1] > num_channels:
        pixels = pixels @ np.array(LUMA, "float32")[:, None]
    return np.repeat(pixels, num_channels // pixels.shape[-1], axis=-1)


def _to_255(pixels: np.ndarray) -> np.ndarray:
    """Returns uint8, or float32 in 0..255."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return pixels.astype(np.float32) * (255 / 65535)
    if np.issubdtype(pixels.dtype, np.integer):
        low, high = pixels.min(), pixels.max()
        if low < 0 or high > 255:
            raise ImageError(f"Whole-number pixels need the range 0..255 (uint16: 0..65535); got {low}..{high}.")
        return pixels.astype(np.uint8)
    # bfloat16 comes from ml_dtypes and is no subtype of numpy's floating.
    if not (np.issubdtype(pixels.dtype, np.floating) or pixels.dtype.name == "bfloat16"):
        raise ImageError(f"Pixels need a whole-number or float dtype; got {pixels.dtype}.")
    pixels = pixels.astype(np.float32)
    low, high = pixels.min(), pixels.max()
    tolerance = 1e-3  # a resize in another library may overshoot a little
    if not (low >= -tolerance and high <= 1 + tolerance):  # also catches NaN
        advice = "They look normalised already: pass them to the model itself." if low < 0 else "Divide them by 255."
        raise ImageError(f"Float pixels need the range 0..1; got {low:.4g}..{high:.4g}. {advice}")
    return np.clip(pixels, 0, 1) * np.float32(255)
