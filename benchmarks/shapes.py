"""Images of shapes with their masks and boxes, drawn as the notebooks of dense tasks draw them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

CLASS_NAMES = ("disk", "square", "triangle")
MOST_SHAPES = 3  # in an image


@dataclass(frozen=True, kw_only=True)
class DrawnImages:
    """Drawn images and what is on them.

    Attributes:
        pixels: (num_images, size, size, 1), whole numbers from 0 to 255.
        masks: (num_images, size, size), 0 where nothing is, else 1 + the class.
        boxes: (num_images, 3, 4), left, top, right and bottom in pixels; zeros where there are fewer.
        classes: (num_images, 3), -1 where there are fewer.
    """

    pixels: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray

    def __getitem__(self, part: slice) -> "DrawnImages":
        return DrawnImages(
            pixels=self.pixels[part], masks=self.masks[part], boxes=self.boxes[part], classes=self.classes[part]
        )


def draw_images(num_images: int, size: int, seed: int) -> DrawnImages:
    """Draws images, size in pixels; the same seed draws the same, and more of them begin with the same."""
    rng = np.random.default_rng(seed)
    drawn = [draw_shapes(rng, size) for _ in range(num_images)]
    boxes = np.zeros((num_images, MOST_SHAPES, 4), "float32")
    classes = np.full((num_images, MOST_SHAPES), -1, "float32")
    for index, (_, _, own_boxes, own_classes) in enumerate(drawn):
        boxes[index, : len(own_boxes)], classes[index, : len(own_classes)] = own_boxes, own_classes
    return DrawnImages(
        pixels=np.stack([image for image, *_ in drawn]),
        masks=np.stack([mask for _, mask, *_ in drawn]).astype("int32"),
        boxes=boxes,
        classes=classes,
    )


def draw_shapes(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, list[Any], list[Any]]:
    """Returns a grey image, its mask (0 background, then the classes), boxes (left, top, right, bottom) and classes."""
    rows, columns = np.mgrid[:size, :size]
    angle = rng.uniform(0, 2 * np.pi)
    image = 0.5 + 0.25 * (np.cos(angle) * (rows / size - 0.5) + np.sin(angle) * (columns / size - 0.5))
    mask, boxes, classes = np.zeros((size, size), "uint8"), [], []
    for _ in range(rng.integers(1, 4)):
        radius = rng.uniform(size / 7, size / 4)
        top, left = rng.uniform(radius, size - radius, 2)
        down, across = (rows - top) / radius, (columns - left) / radius
        shapes = [
            down**2 + across**2 < 1,
            np.maximum(abs(down), abs(across)) < 0.9,
            (abs(down) < 1) & (abs(across) < (down + 1) / 2),
        ]
        number = rng.integers(len(shapes))
        inside = shapes[number]
        if mask[inside].any():
            continue  # shapes do not cover one another
        image[inside] += rng.choice([-1, 1]) * rng.uniform(0.2, 0.4)
        mask[inside] = 1 + number
        ys, xs = np.nonzero(inside)
        boxes.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        classes.append(number)
    pixels = image + rng.normal(scale=0.05, size=image.shape)
    return (pixels.clip(0, 1) * 255).astype("uint8")[..., None], mask, boxes, classes
