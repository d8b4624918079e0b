"""The Preprocessing record: how images become the input of one model."""

import dataclasses
import difflib
import math
import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from keras_vit.preprocessing.images import ImageLike, load_image, resize, size_of

CROP_MODES = ("center", "squash", "border")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")

# Above so many pixels, only the part that survives the crop is resized.
MAX_RESIZED_PIXELS = 2**26

_MAX_SIDE = 16384  # pixels, as of a model's image_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Turns paths, PIL images and arrays into normalised model input, equal to timm's evaluation transform.

    Args:
        image_size: (height, width) of the model input, in pixels; a single number means a square.
        num_channels: 1 for grey, 3 for RGB; other numbers take arrays only.
        crop_fraction: Share of the resized image's side that the crop keeps, 0 < crop_fraction <= 1; timm's `crop_pct`.
        crop_mode: What gives when the image has another shape than the model input. "center" scales the shorter side
            and cuts off the rest; "squash" scales both sides and bends the shape; "border" scales the longer side
            and fills the rest with the mean colour.
        interpolation: "bicubic", "bilinear", "lanczos", "box" or "hamming", all antialiased, or "nearest".
        mean: Subtracted from pixels in 0..1: one number, or one per channel.
        std: Divides them then, > 0: one number, or one per channel.

    Call:
        images: path | PIL image | array (height, width[, channels]) | list of those | array (batch, height, width,
            channels) -> float32 array (batch, height, width, channels). Arrays of whole numbers are 0..255 (uint16:
            0..65535), of floats 0..1.

    Raises:
        ValueError: Fields are out of range; the message lists all of them.
        ImageError: Call: an image can't be read or has the wrong shape or range. It is a ValueError.

    Source: timm 1.0.31, `timm.data.transforms_factory.transforms_imagenet_eval`.
    """

    image_size: tuple[int, int] = (224, 224)  # height, width of the model input
    num_channels: int = 3  # 1 = grey, 3 = RGB, others = arrays only
    crop_fraction: float = 0.875  # of the resized side; timm's crop_pct
    crop_mode: str = "center"  # one of CROP_MODES, with timm's meaning
    interpolation: str = "bicubic"  # one of INTERPOLATIONS
    mean: tuple[float, ...] = (0.5,)  # of pixels in 0..1; this and std as in most released ViT
    std: tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        size = self.image_size
        # JSON has no tuples: a reloaded record would differ from the original without this.
        object.__setattr__(self, "image_size", (size, size) if isinstance(size, int) else _as_tuple(size))
        object.__setattr__(self, "mean", _as_tuple(self.mean))
        object.__setattr__(self, "std", _as_tuple(self.std))
        _raise_if_any(self._problems())

    def __call__(self, images: ImageLike | Sequence[ImageLike]) -> np.ndarray:
        return self.normalise(np.stack([self._fit(image) for image in _as_list(images)]))

    def resize_and_crop(self, image: ImageLike) -> np.ndarray:
        """Turns one image into (height, width, channels) uint8: everything but the normalisation."""
        pixels = self._fit(image)
        return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)

    def resized_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the (height, width) to which an image of this size is scaled before the crop."""
        scaled = [math.floor(side / self.crop_fraction) for side in self.image_size]
        if self.crop_mode == "squash":
            return scaled[0], scaled[1]
        if self.crop_mode == "center" and scaled[0] == scaled[1]:
            # torchvision rounds the longer side down, timm (below) to the nearest.
            shorter = min(height, width)
            return int(scaled[0] * height / shorter), int(scaled[0] * width / shorter)
        choose = min if self.crop_mode == "center" else max
        ratio = choose(height / scaled[0], width / scaled[1])
        return max(1, round(height / ratio)), max(1, round(width / ratio))

    def normalise(self, pixels: np.ndarray) -> np.ndarray:
        """Scales pixels (..., channels) from 0..255, uint8 or float, to float32 with the model's mean and std."""
        scale, shift = self.scale_and_shift
        return np.asarray(pixels, np.float32) * scale - shift

    @property
    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """What pixels in 0..255 are multiplied by, and what is subtracted then; float32, one number or per channel."""
        scale = 1 / (255 * np.array(self.std))
        shift = np.array(self.mean) / np.array(self.std)
        return scale.astype(np.float32), shift.astype(np.float32)

    def range_problem(self, images: Any) -> str | None:
        """Says which wrong range a batch of model input plainly has, or returns None.

        Plain is a batch without a negative value that reaches far above what normalised pixels reach (0..255), or
        that runs from about 0 to at most 1 although normalised pixels run elsewhere (0..1). A batch of one colour is
        never plain.
        """
        images = np.asarray(images)
        if images.size == 0:
            return None
        low, high = float(images.min()), float(images.max())
        due = np.array([(0 - np.array(self.mean)) / self.std, (1 - np.array(self.mean)) / self.std])
        due_low, due_high = float(due.min()), float(due.max())
        if low < 0 or high == low:
            return None
        if due_high + 2 < high <= 255 and high > 2 * due_high:
            found = "0..255"
        elif low < 0.1 and high - low > 0.5 and high <= 1 and (due_low < -0.25 or due_high > 1.5):
            found = "0..1"
        else:
            return None
        return (
            f"The images are in the range {found} (from {low:.4g} to {high:.4g}), but the model takes normalised "
            f"pixels, here from {due_low:.4g} to {due_high:.4g}. Pass them through the model's preprocessing first."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain data for JSON."""
        fields = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Builds a record from plain data; unknown names are errors that suggest the known one."""
        known = [field.name for field in dataclasses.fields(cls)]
        problems = []
        for name in fields:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                problems.append(f"no field {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        _raise_if_any(problems)
        return cls(**fields)

    def _problems(self) -> list[str]:
        problems = []

        def check(good: bool, name: str, rule: str) -> None:
            if not good:
                problems.append(f"{name} needs {rule}; got {getattr(self, name)!r}")

        size = self.image_size
        check(
            len(size) == 2 and all(isinstance(side, int) and 0 < side <= _MAX_SIDE for side in size),
            "image_size",
            f"(height, width) > 0 and <= {_MAX_SIDE}",
        )
        check(isinstance(self.num_channels, int) and self.num_channels > 0, "num_channels", "a whole number > 0")
        check(_is_number(self.crop_fraction) and 0 < self.crop_fraction <= 1, "crop_fraction", "0 < crop_fraction <= 1")
        check(self.crop_mode in CROP_MODES, "crop_mode", f"one of {', '.join(CROP_MODES)}")
        check(self.interpolation in INTERPOLATIONS, "interpolation", f"one of {', '.join(INTERPOLATIONS)}")
        lengths = {1, self.num_channels}
        for name in ("mean", "std"):
            values = getattr(self, name)
            is_good = len(values) in lengths and all(_is_number(value) for value in values)
            is_good = is_good and (name == "mean" or all(value > 0 for value in values))
            rule = f"1 or num_channels={self.num_channels} finite numbers"
            check(is_good, name, rule if name == "mean" else f"{rule} > 0")
        return problems

    def _fit(self, image: ImageLike) -> np.ndarray:
        """Resizes and crops one image to (height, width, channels): uint8, or float32 in 0..255."""
        pixels = load_image(image, self.num_channels)
        source = size_of(pixels)
        resized = self.resized_size(*source)
        target = self.image_size
        # Where the image is larger than the target it is cut, where it is smaller it is framed.
        kept = (min(resized[0], target[0]), min(resized[1], target[1]))
        top, left = round((resized[0] - kept[0]) / 2), round((resized[1] - kept[1]) / 2)
        if resized[0] * resized[1] <= MAX_RESIZED_PIXELS:
            fitted = resize(pixels, resized, self.interpolation)[top : top + kept[0], left : left + kept[1]]
        else:
            # A sliver of 1 x 4000 pixels would grow to hundreds of megabytes before most of it is cut off.
            rows, columns = source[0] / resized[0], source[1] / resized[1]
            box = (left * columns, top * rows, (left + kept[1]) * columns, (top + kept[0]) * rows)
            fitted = resize(pixels, kept, self.interpolation, box)
        return fitted if kept == target else self._frame(fitted)

    def _frame(self, pixels: np.ndarray) -> np.ndarray:
        """Fills up to the image size with the mean colour, evenly on both sides."""
        colour = np.clip(np.rint(255 * np.array(self.mean)), 0, 255).astype(pixels.dtype)
        framed = np.empty((*self.image_size, pixels.shape[-1]), pixels.dtype)
        framed[:] = colour
        top = (self.image_size[0] - pixels.shape[0]) // 2
        left = (self.image_size[1] - pixels.shape[1]) // 2
        framed[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return framed


def _as_list(images: ImageLike | Sequence[ImageLike]) -> Sequence[ImageLike]:
    if isinstance(images, str | os.PathLike):
        return [images]
    if isinstance(images, list | tuple):
        if not images:
            raise ValueError("Preprocessing needs at least one image; got an empty list.")
        return images
    return list(np.asarray(images)) if len(getattr(images, "shape", ())) == 4 else [images]  # type: ignore[list-item]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _raise_if_any(problems: list[str]) -> None:
    if problems:
        raise ValueError("Preprocessing is wrong:" + "".join(f"\n- {problem}" for problem in problems))
