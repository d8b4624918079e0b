"""The Augmentation record: which random changes training images get, and how strong they are."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes to training images, applied in the order of the fields; everything is off by default.

    The first five fields are done by PIL (`data.geometry` and `data.rand_augment` say why), the others by Keras' own
    layers, all before normalisation. What comes into the picture from outside is black.

    Args:
        crop: Smallest and largest share of the picture's area that a random crop keeps, 0 < low <= high <= 1, for
            example (0.25, 1.0); sides between 3:4 and 4:3 of the model input's. Taken from the picture at full
            resolution, so that files are decoded anew in each epoch.
        translation: Largest shift along each side, as a fraction of the side, 0 to 1.
        rotation: Largest turn to either side, in degrees, 0 to 180.
        zoom: Largest enlargement or reduction, as a fraction, 0 <= zoom < 1: 0.1 gives 0.9 to 1.1.
        rand_augment: Strength of up to two random operations per image, 0 to 1; 0.9 is the usual "magnitude 9".
        horizontal_flip: Whether half of the images are mirrored.
        random_erasing: Share of images in which a rectangle becomes grey, 0 to 1.
        mixup: Alpha of the beta distribution that blends pairs of images and their labels, 0 to 1; 0.2 for small
            data sets, 0.8 for large ones.
        cutmix: Largest alpha of the beta distribution that gives the area pasted from another image, 0 to 1. With
            `mixup`, each batch gets one of the two.

    Raises:
        ValueError: Fields are out of range; the message lists all of them.

    Source: arXiv 1909.13719 (RandAugment), 1708.04896 (random erasing), 1710.09412 (MixUp), 1905.04899 (CutMix);
        crop ratios as in torchvision and timm.
    """

    crop: tuple[float, float] | None = None  # smallest and largest share of the area
    translation: float = 0.0  # fraction of the side
    rotation: float = 0.0  # degrees
    zoom: float = 0.0  # fraction
    rand_augment: float = 0.0  # strength
    horizontal_flip: bool = False  # half of the images
    random_erasing: float = 0.0  # share of the images
    mixup: float = 0.0  # alpha
    cutmix: float = 0.0  # alpha

    def __post_init__(self) -> None:
        if isinstance(self.crop, list):
            object.__setattr__(self, "crop", tuple(self.crop))  # JSON has no tuples
        rules = {
            "crop": ("(low, high) with 0 < low <= high <= 1, or None", _is_area_range(self.crop)),
            "translation": ("0 <= translation <= 1", _is_between(self.translation, 1)),
            "rotation": ("0 <= rotation <= 180 (degrees)", _is_between(self.rotation, 180)),
            "zoom": ("0 <= zoom < 1", _is_between(self.zoom, 1) and self.zoom < 1),
            "horizontal_flip": ("True or False", isinstance(self.horizontal_flip, bool)),
        }
        for name in ("rand_augment", "random_erasing", "mixup", "cutmix"):
            rules[name] = (f"0 <= {name} <= 1", _is_between(getattr(self, name), 1))
        problems = [
            f"{name} needs {rule}; got {getattr(self, name)!r}"
            for name, (rule, is_good) in rules.items()
            if not is_good
        ]
        if problems:
            raise ValueError("Augmentation is wrong:" + "".join(f"\n- {problem}" for problem in problems))


def _is_between(value: Any, high: float) -> bool:
    return isinstance(value, int | float) and 0 <= value <= high


def _is_area_range(value: Any) -> bool:
    if value is None:
        return True
    is_pair = isinstance(value, tuple) and len(value) == 2 and all(_is_between(side, 1) for side in value)
    return is_pair and 0 < value[0] <= value[1]
