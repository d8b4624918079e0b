"""What the pictures share: a figure without a window, colours that everybody can tell apart, whole files."""

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

from keras_vit.files import write_file

# Okabe and Ito's colours, which colour-blind people tell apart too; yellow is left out, too pale for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_figure(width: float, height: float) -> Any:
    """Returns an empty matplotlib figure of a size in inches, at 120 pixels per inch.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Drawing pictures needs an extra: pip install "keras3-vit[plot]"') from error
    # A figure of its own, without pyplot: no window system is asked for, and no global state is left.
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def save_figure(figure: Any, path: str | Path) -> None:
    """Writes a figure as a PNG file."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # "$" in a class name is no formula
    buffer = io.BytesIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        # Of scripts that matplotlib's own font lacks, boxes are drawn.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="png")
    write_file(path, buffer.getvalue())


def shorten(name: str, length: int) -> str:
    """Cuts the middle out of a name that is longer than a number of characters."""
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"
