"""preprocessor_config.json of transformers: read as fields of our Preprocessing, and written from it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_vit.preprocessing import Preprocessing

_HALVES = [0.5, 0.5, 0.5]
_CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_IMAGENET_COLOURS = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_SHARED = {
    "do_resize": True,
    "resample": 3,
    "do_center_crop": False,
    "crop_size": 224,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": _HALVES,
    "image_std": _HALVES,
}
_SQUARE = {"height": 224, "width": 224}
_SHORTEST = {"size": {"shortest_edge": 224}, "do_center_crop": True, "is_square": False, **_CLIP_COLOURS}

# Files leave out what equals the default of their processor; `is_square` says what a single number as size means.
# Source: transformers 5.23.0, `image_processing_*.py`.
DEFAULTS: dict[str, dict[str, Any]] = {
    "ViT": _SHARED | {"size": _SQUARE, "resample": 2, "is_square": True},
    "DeiT": _SHARED | {"size": {"height": 256, "width": 256}, "do_center_crop": True, "is_square": True},
    "CLIP": _SHARED | _SHORTEST,
    "Beit": _SHARED | {"size": _SQUARE, "is_square": True},
    "Bit": _SHARED | _SHORTEST,
    "Pvt": _SHARED | _IMAGENET_COLOURS | {"size": _SQUARE, "is_square": True},
    "Segformer": _SHARED
    | _IMAGENET_COLOURS
    | {"size": {"height": 512, "width": 512}, "resample": 2, "is_square": True},
    "DINOv3ViT": _SHARED | {"size": _SQUARE, "resample": 2, "is_square": True, **_IMAGENET_COLOURS},
    "Siglip": _SHARED | {"size": _SQUARE, "is_square": False},
}
# Earlier and faster forms of a processor do the same.
_SUFFIXES = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")
_PROCESSORS = {f"{kind}{suffix}": kind for kind in DEFAULTS for suffix in _SUFFIXES}
_INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # in the order of PIL's numbers

_HINT = "Correct the file, or remove it and pass a Preprocessing of your own."


def preprocessing_of(settings: Mapping[str, Any], usual: str, config: Any) -> dict[str, Any]:
    """Returns the fields of the Preprocessing that does what an image processor does.

    Where an odd number of pixels is cut off, the crop of transformers may start one pixel further left or up.

    Args:
        settings: What preprocessor_config.json says.
        usual: The processor, one of `DEFAULTS`, that is meant where the file names none.
        config: The model's settings. Where the processor is for another size, its proportions are kept.

    Raises:
        ValueError: The processor is unknown, or does what our Preprocessing does not.
    """
    values = _values(settings, usual)
    crop_mode, crop_fraction = _crop(values)
    mean, std = _normalisation(values)
    return {
        "image_size": config.image_size,
        "num_channels": config.in_channels,
        "crop_mode": crop_mode,
        "crop_fraction": crop_fraction,
        "interpolation": _interpolation(values["resample"]),
        "mean": mean,
        "std": std,
    }


def image_size_of(settings: Mapping[str, Any], usual: str) -> tuple[int, int]:
    """Returns the size (height, width) of the images that a processor makes; arguments and errors as above.

    Without a crop, one that scales the shorter side makes images of several sizes: the square among them is meant.
    """
    values = _values(settings, usual)
    sides = _resized(values["size"], values["is_square"])[1]
    return _sides("crop_size", values["crop_size"]) if values["do_center_crop"] else sides


def processor_settings(preprocessing: Preprocessing) -> dict[str, Any]:
    """Returns preprocessor_config.json for the processor that does what our Preprocessing does.

    Raises:
        ValueError: No processor does it.
    """
    crop_mode, (height, width) = preprocessing.crop_mode, preprocessing.image_size
    if crop_mode == "border" or (crop_mode == "center" and height != width):
        raise ValueError(
            "transformers' image processors need crop_mode 'squash', or 'center' with a square image_size; got "
            f"{crop_mode=}, image_size={preprocessing.image_size}. Change the model's preprocessing."
        )
    rows, columns = (math.floor(side / preprocessing.crop_fraction) for side in preprocessing.image_size)
    is_cropped = crop_mode == "center" or (rows, columns) != (height, width)
    num_channels = preprocessing.num_channels
    return {
        "image_processor_type": f"{_kind(crop_mode, is_cropped)}ImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": rows} if crop_mode == "center" else {"height": rows, "width": columns},
        "resample": _INTERPOLATIONS.index(preprocessing.interpolation),
        "do_center_crop": is_cropped,
        **({"crop_size": {"height": height, "width": width}} if is_cropped else {}),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": np.resize(preprocessing.mean, num_channels).tolist(),
        "image_std": np.resize(preprocessing.std, num_channels).tolist(),
        "do_convert_rgb": num_channels == 3,
    }


def _values(settings: Mapping[str, Any], usual: str) -> dict[str, Any]:
    """Returns what a processor does, with the defaults that its file leaves out."""
    name = settings.get("image_processor_type", settings.get("feature_extractor_type"))
    kind = usual if name is None else _PROCESSORS.get(str(name))
    if kind is None:
        raise ValueError(
            f"preprocessor_config.json needs image_processor_type to be of {', '.join(DEFAULTS)}; got {name!r}. {_HINT}"
        )
    defaults = DEFAULTS[kind]
    return {key: default if settings.get(key) is None else settings[key] for key, default in defaults.items()}


def _kind(crop_mode: str, is_cropped: bool) -> str:
    if crop_mode == "center":
        return "CLIP"
    return "DeiT" if is_cropped else "ViT"


def _crop(values: dict[str, Any]) -> tuple[str, float]:
    """Returns crop mode and fraction."""
    mode, sides = _resized(values["size"], values["is_square"])
    if not values["do_resize"]:
        return "squash", 1.0  # images come in the model's size
    if not values["do_center_crop"]:
        # Without a crop, a processor that scales the shorter side gives images of different shapes. The model takes
        # one shape only: the middle.
        return mode, 1.0
    kept = _sides("crop_size", values["crop_size"])
    fraction = _common_fraction(kept, sides)
    if fraction is None:
        raise ValueError(
            "preprocessor_config.json needs crop_size to keep the same share of both sides; got "
            f"size={values['size']}, crop_size={values['crop_size']}. {_HINT}"
        )
    return mode, fraction


def _common_fraction(kept: tuple[int, int], sides: tuple[int, int]) -> float | None:
    """Returns the share that, dividing what is kept and rounding down, gives both sides; None where there is none."""
    fraction = min(kept[0] / sides[0], kept[1] / sides[1], 1.0)
    for candidate in (fraction, math.nextafter(fraction, 0)):  # a quotient may come out just below the whole number
        if all(math.floor(side / candidate) == resized for side, resized in zip(kept, sides, strict=True)):
            return candidate
    return None


def _resized(size: Any, is_square: bool) -> tuple[str, tuple[int, int]]:
    if isinstance(size, dict) and set(size) == {"shortest_edge"}:
        return "center", _sides("size", size["shortest_edge"])
    return "center" if isinstance(size, int) and not is_square else "squash", _sides("size", size)


def _sides(name: str, size: Any) -> tuple[int, int]:
    both = {"height": size, "width": size} if isinstance(size, int) else size
    is_pair = isinstance(both, dict) and both.keys() == {"height", "width"}
    if not is_pair or not all(type(side) is int and side > 0 for side in both.values()):
        raise ValueError(
            f"preprocessor_config.json needs {name} as a number > 0, height and width, or shortest_edge; got "
            f"{name}={size!r}. {_HINT}"
        )
    return both["height"], both["width"]


def _interpolation(number: Any) -> str:
    if type(number) is not int or not 0 <= number < len(_INTERPOLATIONS):
        raise ValueError(
            f"preprocessor_config.json needs resample as one of PIL's numbers 0 to 5; got resample={number!r}. {_HINT}"
        )
    return _INTERPOLATIONS[number]


def _normalisation(values: dict[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and std for pixels in 0..1, whatever range the processor normalises."""
    factor = values["rescale_factor"] if values["do_rescale"] else 1.0
    if type(factor) not in (int, float) or not factor > 0:
        raise ValueError(f"preprocessor_config.json needs rescale_factor > 0; got rescale_factor={factor!r}. {_HINT}")
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    if values["do_normalize"]:
        mean, std = _numbers("image_mean", values["image_mean"]), _numbers("image_std", values["image_std"])
    if math.isclose(255 * factor, 1, rel_tol=1e-6):
        return mean, std
    return tuple(value / (255 * factor) for value in mean), tuple(value / (255 * factor) for value in std)


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    numbers = value if isinstance(value, list | tuple) else (value,)
    if not numbers or not all(type(number) in (int, float) for number in numbers):
        raise ValueError(f"preprocessor_config.json needs {name} as numbers; got {name}={value!r}. {_HINT}")
    return tuple(float(number) for number in numbers)
