"""Pictures of an evaluation: what is taken for what, and the most confident mistakes."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_vit.pictures import COLOURS, new_figure, save_figure, shorten
from keras_vit.training.evaluation import Evaluation

_MAX_MATRIX_CLASSES = 30  # beyond, the numbers of a matrix can no longer be read
_MAX_PAIRS = 25
_NAME_LENGTH = 24  # characters


def plot_confusion(evaluation: Evaluation, path: str | Path) -> None:
    """Draws the confusion matrix into a PNG file; of more than 30 classes, the pairs that are confused most.

    A number counts images, and a colour says which share of its true class that is: blue where the class is right,
    orange where it is not.

    Args:
        evaluation: What `evaluate` returned.
        path: The PNG file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    is_small = len(evaluation.predicted_names) <= _MAX_MATRIX_CLASSES
    save_figure(_draw_matrix(evaluation) if is_small else _draw_pairs(evaluation), path)


def plot_mistakes(evaluation: Evaluation, path: str | Path) -> None:
    """Draws the most confident mistakes into a PNG file: each image with the class given and the true one.

    Args:
        evaluation: What `evaluate` returned.
        path: The PNG file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    mistakes = evaluation.mistakes
    if not mistakes:
        figure = new_figure(6, 1.2)
        figure.text(0.5, 0.5, f"no mistakes to show; accuracy {evaluation}", ha="center", va="center")
        save_figure(figure, path)
        return
    num_columns = min(4, len(mistakes))
    num_rows = -(-len(mistakes) // num_columns)
    figure = new_figure(max(2.6 * num_columns, 6.5), 3.1 * num_rows + 0.5)
    figure.suptitle(f"most confident mistakes; accuracy {evaluation}")
    all_axes = figure.subplots(num_rows, num_columns, squeeze=False).flatten()
    for axes in all_axes[len(mistakes) :]:
        axes.set_axis_off()
    for axes, mistake in zip(all_axes, mistakes, strict=False):
        _show(axes, mistake.pixels)
        probability = f"{100 * mistake.probability:.1f} %"
        axes.set_title(f"{shorten(mistake.predicted, _NAME_LENGTH)}  {probability}", color=COLOURS[1], fontsize=10)
        below = f"is {shorten(mistake.true, _NAME_LENGTH)}\n{shorten(Path(mistake.image).name, 28)}"
        axes.set_xlabel(below, fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    save_figure(figure, path)


def _draw_matrix(evaluation: Evaluation) -> Any:
    counts = evaluation.confusion
    rows, columns = evaluation.class_names, evaluation.predicted_names
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    is_right = np.array([[row == column for column in columns] for row in rows])
    side = max(4.5, 0.42 * len(columns) + 1.5)
    figure = new_figure(side + 1, max(4.0, 0.42 * len(rows) + 2.0))
    axes = figure.subplots()
    # Square roots: one mistake among many images must be seen.
    for mask, colours in ((is_right, "Blues"), (~is_right, "Oranges")):
        axes.imshow(np.ma.masked_where(~mask | (counts == 0), np.sqrt(shares)), cmap=colours, vmin=0, vmax=1.15)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            is_dark = shares[row, column] > 0.4
            axes.text(
                column, row, str(count), ha="center", va="center", fontsize=8, color="white" if is_dark else "black"
            )
    is_long = max(map(len, columns)) > 3
    axes.set_xticks(
        range(len(columns)),
        [shorten(name, _NAME_LENGTH) for name in columns],
        rotation=45 if is_long else 0,
        ha="right" if is_long else "center",
        rotation_mode="anchor" if is_long else None,
    )
    axes.set_yticks(range(len(rows)), [shorten(name, _NAME_LENGTH) for name in rows])
    axes.set_xlabel("class given by the model")
    axes.set_ylabel("true class")
    axes.set_title(f"accuracy {evaluation}", fontsize="medium")
    axes.spines[:].set_color("lightgrey")
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="lightgrey", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    return figure


def _draw_pairs(evaluation: Evaluation) -> Any:
    images_of = dict(zip(evaluation.class_names, evaluation.num_images, strict=True))
    confused = [(pair, count) for pair, count in evaluation.counts.items() if pair[0] != pair[1]]
    pairs = sorted(confused, key=lambda each: (-each[1], -each[1] / images_of[each[0][0]], each[0]))[:_MAX_PAIRS]
    figure = new_figure(9, 1.6 + 0.28 * max(len(pairs), 2))
    axes = figure.subplots()
    axes.barh(range(len(pairs)), [count for _, count in pairs], color=COLOURS[1])
    for place, ((true, _), count) in enumerate(pairs):
        axes.text(count, place, f" {count} of {images_of[true]}", va="center", fontsize=8)
    names = [f"{shorten(true, _NAME_LENGTH)}  →  {shorten(predicted, _NAME_LENGTH)}" for (true, predicted), _ in pairs]
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("images (of all images of the true class)")
    axes.set_title(
        f"most confused of {len(evaluation.class_names)} classes: true → given; accuracy {evaluation}",
        fontsize="medium",
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _show(axes: Any, pixels: np.ndarray) -> None:
    if pixels.shape[-1] == 3:
        axes.imshow(pixels)
    else:
        axes.imshow(pixels.mean(axis=-1), cmap="gray", vmin=0, vmax=1)
