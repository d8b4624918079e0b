"""The report of a comparison: a table as Markdown and CSV, and learning curves as a picture."""

import csv
import dataclasses
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_vit.files import write_file
from keras_vit.pictures import COLOURS, MARKERS, new_figure, save_figure, shorten
from keras_vit.training.comparison.settings import ComparisonSettings, percent


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """What one model reached with one share of the training images."""

    model: str
    fraction: float  # of the training images
    num_images: int  # that share
    accuracies: tuple[float, ...]  # of each seed, share of the validation images
    num_parameters: int
    macs: int  # of one image, forwards
    images_per_second: float | None  # in training; median over the seeds
    memory_mb: float | None  # that training adds; largest over the seeds

    @property
    def mean(self) -> float:
        return statistics.mean(self.accuracies)

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds; None for a single one."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None


def make_rows(settings: ComparisonSettings, results: Sequence[dict[str, Any]]) -> tuple[ComparisonRow, ...]:
    """Returns a row for each model and fraction that has a result, largest fraction first."""
    rows = []
    for fraction in sorted(settings.fractions, reverse=True):
        for model in settings.models:
            cells = [each for each in results if (each["model"], each["fraction"]) == (model, fraction)]
            if cells:
                rows.append(_make_row(model, fraction, cells))
    return tuple(rows)


def _make_row(model: str, fraction: float, cells: list[dict[str, Any]]) -> ComparisonRow:
    rates = [cell["images_per_second"] for cell in cells if cell["images_per_second"] is not None]
    memory = [cell["memory_mb"] for cell in cells if cell["memory_mb"] is not None]
    return ComparisonRow(
        model=model,
        fraction=fraction,
        num_images=cells[0]["num_images"],
        accuracies=tuple(cell["accuracy"] for cell in cells),
        num_parameters=cells[0]["num_parameters"],
        macs=cells[0]["macs"],
        images_per_second=statistics.median(rates) if rates else None,
        memory_mb=max(memory) if memory else None,
    )


def markdown_table(rows: Sequence[ComparisonRow]) -> str:
    """Returns the rows as a Markdown table."""
    headings = (
        "model",
        "images",
        "accuracy, mean ± sd",
        "lowest - highest",
        "seeds",
        "parameters",
        "MACs",
        "images/s",
        "memory",
    )
    lines = [_line(headings), _line(["---"] * len(headings))]
    for row in rows:
        spread = "" if row.spread is None else f" ± {100 * row.spread:.2f}"
        cells = (
            row.model,
            f"{row.num_images} ({percent(row.fraction)})",
            f"{100 * row.mean:.2f}{spread} %",
            f"{100 * min(row.accuracies):.2f} - {100 * max(row.accuracies):.2f} %",
            str(len(row.accuracies)),
            f"{row.num_parameters:,}",
            _large(row.macs),
            "-" if row.images_per_second is None else f"{row.images_per_second:,.0f}",
            "-" if row.memory_mb is None else f"{row.memory_mb:,.0f} MB",
        )
        lines.append(_line(cells))
    return "\n".join(lines)


def write_report(settings: ComparisonSettings, results: Sequence[dict[str, Any]], folder: Path) -> None:
    """Writes comparison.md, comparison.csv (a line per model and fraction) and cells.csv (a line per training)."""
    rows = make_rows(settings, results)
    text = f"# Comparison on {Path(settings.data).name}\n\n{describe(settings, results)}\n\n{markdown_table(rows)}\n"
    write_file(folder / "comparison.md", text)
    records = [
        {**dataclasses.asdict(row), "accuracies": len(row.accuracies), "mean": row.mean, "sd": row.spread}
        for row in rows
    ]
    for record, row in zip(records, rows, strict=True):
        record["num_seeds"] = record.pop("accuracies")
        record |= {"lowest": min(row.accuracies), "highest": max(row.accuracies)}
    write_file(folder / "comparison.csv", _csv(records))
    write_file(folder / "cells.csv", _csv(results))


def describe(settings: ComparisonSettings, results: Sequence[dict[str, Any]]) -> str:
    """Says how the figures were made."""
    budget = f"{settings.epochs} epochs" if settings.epochs else f"{settings.steps} steps, in whole epochs"
    first, recipe = results[0], settings.chosen_recipe
    return (
        f"Each model was trained from scratch for {budget} with batches of {settings.batch_size} and the recipe "
        f"{settings.recipe} (highest learning rate {first['learning_rate']:g}, weight decay {recipe.weight_decay:g}, "
        f"{'augmented images' if recipe.augmentation else 'no augmentation'}), {settings.dtype}, {first['backend']}; "
        "of one seed, all models got the same images in the same order with the same changes. Accuracy: of the last "
        f"epoch, on {first['num_validation_images']} held-out images. Parameters: trained ones. MACs: of one image, "
        "forwards. Images/s: in training, without the first epoch, median over the seeds. Memory: what training added "
        "to the resident memory of its process at most (not that of an accelerator)."
    )


def plot_learning_curves(rows: Sequence[ComparisonRow], path: str | Path) -> None:
    """Draws accuracy over the share of the training images, one line per model, into a PNG file.

    Args:
        rows: Those of a `Comparison`.
        path: The PNG file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    names = list(dict.fromkeys(row.model for row in rows))
    for index, name in enumerate(names):
        own = sorted((row for row in rows if row.model == name), key=lambda row: row.fraction)
        # Moved apart a little, or bars of equal fractions would hide one another.
        places = [100 * row.fraction * 1.03 ** (index - (len(names) - 1) / 2) for row in own]
        means = [100 * row.mean for row in own]
        low = [mean - 100 * min(row.accuracies) for mean, row in zip(means, own, strict=True)]
        high = [100 * max(row.accuracies) - mean for mean, row in zip(means, own, strict=True)]
        axes.errorbar(
            places,
            means,
            yerr=[low, high],
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            capsize=4,
            label=f"{shorten(name, 40)} ({_large(own[0].num_parameters)} parameters)",
        )
    ticks = sorted({100 * row.fraction for row in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g} %" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("share of the training images")
    axes.set_ylabel("accuracy on held-out images in %")
    axes.set_title("mean of the seeds, bars from the lowest to the highest", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right")
    save_figure(figure, path)


def _csv(records: Sequence[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return buffer.getvalue()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _large(count: int) -> str:
    """3_340_000 -> 3.34 M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
