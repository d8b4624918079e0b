"""Answers: what the page shows for one picture and one encoder layer, as plain data and PIL images."""

from typing import TYPE_CHECKING, Any

from keras_vit.visualize import attention_maps, overlay, seen_pixels

if TYPE_CHECKING:
    from PIL import Image


def has_classes(model: Any) -> bool:
    """Whether a model names classes; an encoder without a head only shows where it looks."""
    return bool(model.config.num_classes) and len(model.outputs[0].shape) == 2


def name_classes(model: Any, image: Any, top: int) -> dict[str, float]:
    """Returns the most probable classes, best first, with their probabilities.

    Raises:
        ImageError: The image can't be read.
    """
    named: dict[str, float] = {}
    for label, probability in model.classify(image, top=top):
        named[label if label not in named else f"{label} ({len(named) + 1})"] = probability  # some classes share a name
    return named


def draw_attention(model: Any, image: Any, layer: int) -> list[tuple["Image.Image", str]]:
    """Returns where one encoder layer looks: a picture and its title for the mean of the heads, and for each head.

    Raises:
        ImageError: The image can't be read.
    """
    maps = attention_maps(model, model.preprocessing([image]), [layer], "all")[0, 0]
    pixels = seen_pixels(model, image)
    pictures = [(overlay(pixels, maps.mean(axis=0)), "mean of all heads")]
    return pictures + [(overlay(pixels, each), f"head {number}") for number, each in enumerate(maps)]


def describe(model: Any, name: str) -> str:
    """Returns the heading of the page, in Markdown."""
    height, width = model.preprocessing.image_size
    facts = [type(model).__name__, f"{model.count_params():,} parameters", f"{height} x {width} pixels"]
    if model.provenance.get("license"):
        facts.append(f"license {model.provenance['license']}")
    task = "names what is in a picture, and shows" if has_classes(model) else "shows"
    return f"# {name}\n\nThis model {task} where it looks. {', '.join(facts)}."
