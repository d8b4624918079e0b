import sys

import numpy as np
import pytest
from PIL import Image

from keras_vit.training import plot_curves

HISTORY = [
    {"epoch": epoch, "loss": 2 / (epoch + 1), "accuracy": 0.5, "val_loss": 1.5, "val_accuracy": 0.6}
    for epoch in range(3)
]


@pytest.mark.parametrize("num_epochs", [1, 3])
def test_curves_are_drawn_into_a_png(tmp_path, num_epochs):
    plot_curves(HISTORY[:num_epochs], tmp_path / "curves.png")

    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"
        assert image.width > image.height > 300
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10


def test_missing_matplotlib_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(ImportError, match=r'pip install "keras3-vit\[plot\]"'):
        plot_curves(HISTORY, tmp_path / "curves.png")
