"""The curves of a training run as a picture."""

from collections.abc import Sequence
from pathlib import Path

from keras_vit.pictures import new_figure, save_figure


def plot_curves(history: Sequence[dict[str, float]], path: str | Path) -> None:
    """Draws loss and accuracy over the epochs, training beside validation, into a PNG file.

    Args:
        history: One row per epoch, as in history.csv: epoch (from 0), loss, accuracy, val_loss, val_accuracy.
        path: The PNG file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    epochs = [row["epoch"] + 1 for row in history]
    figure = new_figure(10, 4)
    for axes, name, scale in zip(figure.subplots(1, 2), ("loss", "accuracy"), (1, 100), strict=True):
        marker = "o" if len(epochs) == 1 else ""
        for key, label in ((name, "training (augmented images)"), (f"val_{name}", "validation")):
            axes.plot(epochs, [scale * row[key] for row in history], marker=marker, label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name if scale == 1 else f"{name} in %")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend()
    figure.axes[1].set_title(f"last validation accuracy {history[-1]['val_accuracy']:.2%}".replace("%", " %"))
    save_figure(figure, path)
