"""RandAugment: up to two random operations per image, done by PIL as in timm.

PIL rather than `keras.layers.RandAugment`, which computes its eleven operations twice for every batch and keeps two,
the same for all images: 1 s for 32 images of 224 x 224 x 3 on TensorFlow, 4 s on JAX, 16 s on PyTorch (two cores). Some
of its operations also grow weaker as its factor grows: posterisation, solarisation, blur.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

NUM_OPERATIONS = 2
OPERATION_RATE = 0.5  # chance that each of them takes place
OPERATIONS = (
    "auto_contrast",
    "brightness",
    "color",
    "contrast",
    "equalize",
    "invert",
    "posterize",
    "rotate",
    "sharpness",
    "shear_x",
    "shear_y",
    "shift_x",
    "shift_y",
    "solarize",
    "solarize_add",
)

# At strength 1.
MAX_ANGLE = 30.0  # degrees
MAX_SHEAR = 0.3  # pixels per pixel
MAX_SHIFT = 0.45  # fraction of the side
MAX_ENHANCEMENT = 0.9  # brightness, colour, contrast and sharpness, around 1
MAX_ADDITION = 110  # to pixels below 128
BITS_KEPT = 4  # by posterisation at strength 0


def rand_augment(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Changes images by random operations.

    Args:
        images: (batch, height, width, channels) uint8, with 1 or 3 channels.
        strength: 0 to 1; 0.9 is "magnitude 9" of 10.
        rng: Draws the operations and their direction.

    Returns:
        Same shape and dtype.

    Source: Cubuk et al., "RandAugment", 2019, arXiv 1909.13719; operations, rates and ranges of timm 1.0.31's
        `rand-m9-inc1`, without its noise on the magnitude.
    """
    from PIL import Image

    is_grey = images.shape[-1] == 1
    changed = np.empty_like(images)
    for pixels, result in zip(images, changed, strict=True):
        image = Image.fromarray(pixels[..., 0] if is_grey else pixels)
        for name in rng.choice(OPERATIONS, NUM_OPERATIONS):
            if rng.random() < OPERATION_RATE:
                image = apply_operation(image, str(name), strength, rng.choice((-1, 1)))
        result[:] = np.asarray(image).reshape(result.shape)
    return changed


def apply_operation(image: "Image.Image", name: str, strength: float, sign: int) -> "Image.Image":
    """Applies one operation of `OPERATIONS`; `sign` is its direction, -1 or 1, where it has one."""
    from PIL import Image, ImageEnhance, ImageOps

    amount = sign * strength
    match name:
        case "auto_contrast" | "equalize" | "invert":
            return getattr(ImageOps, name.replace("_", ""))(image)
        case "brightness" | "color" | "contrast" | "sharpness":
            return getattr(ImageEnhance, name.capitalize())(image).enhance(max(0.1, 1 + MAX_ENHANCEMENT * amount))
        case "posterize":
            return ImageOps.posterize(image, max(1, BITS_KEPT - int(BITS_KEPT * strength)))
        case "solarize":
            return ImageOps.solarize(image, 256 - int(256 * strength))
        case "solarize_add":
            table = [min(255, value + int(MAX_ADDITION * strength)) if value < 128 else value for value in range(256)]
            return image.point(table * len(image.getbands()))
        case "rotate":
            return image.rotate(MAX_ANGLE * amount, Image.Resampling.BILINEAR)
    matrix = {
        "shear_x": (1, MAX_SHEAR * amount, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, MAX_SHEAR * amount, 1, 0),
        "shift_x": (1, 0, MAX_SHIFT * amount * image.width, 0, 1, 0),
        "shift_y": (1, 0, 0, 0, 1, MAX_SHIFT * amount * image.height),
    }[name]
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
