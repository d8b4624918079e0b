"""The shapes that notebooks draw, for tests: the notebooks' own cell, so that there is no copy to drift."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def drawing_cell(notebook: str) -> str:
    cells = json.loads((NOTEBOOKS / notebook).read_text(encoding="utf-8"))["cells"]
    (source,) = [cell["source"] for cell in cells if "shapes" in cell["metadata"].get("tags", [])]
    return "".join(source)


def load_draw_shapes() -> Callable[[np.random.Generator, int], tuple[Any, ...]]:
    names: dict[str, Any] = {"np": np}
    exec(drawing_cell("06_segmentation.ipynb"), names)
    return names["draw_shapes"]
