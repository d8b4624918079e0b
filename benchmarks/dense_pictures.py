"""The picture of what detectors and segmenters say of drawn shapes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shapes import CLASS_NAMES, DrawnImages

SHOWN_CONFIDENCE = 0.3  # boxes below it are left out of the picture


def draw_answers(drawn: DrawnImages, answers: Mapping[str, Mapping[str, np.ndarray]], path: Path) -> None:
    """Draws images with their boxes in the first row, and below what each model says of them.

    Args:
        drawn: The images.
        answers: By the model's title, as `DenseModel.answers` gives them.
        path: The PNG file.
    """
    from keras_vit.pictures import new_figure, save_figure

    num_images = len(drawn.pixels)
    figure = new_figure(1.1 * num_images, 1.28 * (1 + len(answers)) + 0.3)
    all_axes = figure.subplots(1 + len(answers), num_images, squeeze=False)
    truth = {"boxes": drawn.boxes, "classes": drawn.classes, "confidence": np.ones_like(drawn.classes)}
    for row, (title, answer) in zip(all_axes, {"drawn": truth, **answers}.items(), strict=True):
        row[0].set_title(" ", fontsize=9)  # the height of a line; a long title would take width from the other images
        row[0].text(0, 1.05, title, fontsize=9, transform=row[0].transAxes).set_in_layout(False)
        for index, axes in enumerate(row):
            axes.set(xticks=[], yticks=[])
            axes.imshow(drawn.pixels[index], cmap="gray", vmin=0, vmax=255)
            if "masks" in answer:
                axes.imshow(_coloured(answer["masks"][index]))
            else:
                own = {key: values[index] for key, values in answer.items()}
                _draw_boxes(axes, own, with_confidence=answer is not truth)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=len(CLASS_NAMES), fontsize=8, frameon=False)
    save_figure(figure, path)


def _draw_boxes(axes: Any, answer: Mapping[str, np.ndarray], with_confidence: bool) -> None:
    from matplotlib.patches import Rectangle

    from keras_vit.pictures import COLOURS

    for box, number, confidence in zip(answer["boxes"], answer["classes"], answer["confidence"], strict=True):
        if number < 0 or confidence < SHOWN_CONFIDENCE:
            continue
        left, top, right, bottom = box - 0.5  # whole numbers are the edges of pixels; matplotlib's are their middles
        colour = COLOURS[int(number)]
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=colour, linewidth=1.8))
        if with_confidence:
            label = {"facecolor": colour, "edgecolor": "none", "pad": 0.8}
            axes.text(
                max(left, 0), max(top, 6), f"{confidence:.2f}", color="white", fontsize=5, va="bottom", bbox=label
            )


def _coloured(mask: np.ndarray) -> np.ndarray:
    """Half-transparent colours of the classes; nothing where the background is."""
    from matplotlib.colors import to_rgb

    from keras_vit.pictures import COLOURS

    colours = np.array([(0, 0, 0, 0), *((*to_rgb(COLOURS[number]), 0.65) for number in range(len(CLASS_NAMES)))])
    return colours[mask]


def _legend() -> list[Any]:
    from matplotlib.patches import Patch

    from keras_vit.pictures import COLOURS

    return [Patch(color=COLOURS[number], label=name) for number, name in enumerate(CLASS_NAMES)]
