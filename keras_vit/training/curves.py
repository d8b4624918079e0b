"""The curves of a training run as a picture."""

from collections.abc import Sequence
from pathlib import Path


def plot_curves(history: Sequence[dict[str, float]], path: str | Path) -> None:
    """Draws loss and accuracy over the epochs, training beside validation, into a PNG file.

    Args:
        history: One row per epoch, as in history.csv: epoch (from 0), loss, accuracy, val_loss, val_accuracy.
        path: The PNG file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Plotting curves needs an extra: pip install "keras3-vit[plot]"') from error

    epochs = [row["epoch"] + 1 for row in history]
    # A figure of its own, without pyplot: no window system is asked for, and no global state is left.
    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
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
    figure.savefig(path)
