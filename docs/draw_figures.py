"""Draws the figures of docs/seeing_attention.md, with what comes with the package and scikit-learn: no network.

python docs/draw_figures.py
"""

from pathlib import Path

import numpy as np

import keras_vit
from keras_vit import visualize

FOLDER = Path(__file__).resolve().parent / "figures"
SHOWN = (3, 7, 5)  # classes, of each the first held-out image


def main() -> None:
    """Draws all figures."""
    FOLDER.mkdir(exist_ok=True)
    model = keras_vit.from_preset("vit_digits")
    digits = held_out_digits()
    visualize.explain(model, digits[0], FOLDER / "attention_heads.png", layers=[0, 3, 5], heads="all")
    draw_methods(model, digits)
    draw_similarity(model, digits)
    # The same positions for every model of this kind: sines and cosines of row and column, nothing learned.
    sines = keras_vit.ViT(positional_encoding="sincos", embed_dim=384, depth=1, num_heads=6)
    visualize.plot_position_similarity(sines, FOLDER / "positions_sincos.png")
    visualize.plot_patch_filters(model, FOLDER / "filters_digits.png")


def held_out_digits() -> list[np.ndarray]:
    """Returns images (8, 8, 1) of scikit-learn's digits that `vit_digits` was not trained on."""
    _, test = keras_vit.data.load("digits", batch_size=360)
    images, labels = test[0]
    pixels = ((np.asarray(images) * 0.5 + 0.5) * 255).round().astype("uint8")
    return [pixels[int(np.argmax(labels.argmax(axis=1) == number))] for number in SHOWN]


def draw_methods(model: keras_vit.ViT, digits: list[np.ndarray]) -> None:
    """Draws what three methods say of the same images."""
    batch = model.preprocessing(digits)
    maps = [visualize.attention_maps(model, batch)[:, 0, 0], visualize.rollout(model, batch)]
    maps.append(visualize.relevance(model, batch))
    visualize.plot_overlays(
        [visualize.seen_pixels(model, digit) for digit in digits],
        np.stack(maps, axis=1),
        FOLDER / "methods.png",
        titles=["attention, last layer", "rollout", "relevance"],
        interpolation="nearest",
    )


def draw_similarity(model: keras_vit.ViT, digits: list[np.ndarray]) -> None:
    """Draws which patches are like the second of the second row, behind three layers."""
    batch = model.preprocessing(digits)
    layers = (0, 2, 5)
    visualize.plot_overlays(
        [visualize.seen_pixels(model, digit) for digit in digits],
        np.stack([visualize.patch_similarity(model, batch, (1, 1), layer) for layer in layers], axis=1),
        FOLDER / "similarity.png",
        titles=[f"layer {layer}" for layer in layers],
        interpolation="nearest",
    )


if __name__ == "__main__":
    main()
