"""Overlays and PNG files: what is bright, what is in them, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from keras_vit.preprocessing import Preprocessing
from keras_vit.visualize import (
    explain,
    overlay,
    plot_overlays,
    plot_patch_filters,
    plot_position_similarity,
    seen_pixels,
)
from tests.visualize.models import make_tiny, make_vit


@pytest.fixture
def image(tmp_path, rng):
    Image.fromarray(rng.integers(256, size=(20, 30, 3)).astype("uint8")).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def size_of(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return picture.size


def test_high_values_are_bright_and_at_their_place():
    picture = np.asarray(overlay(np.zeros((20, 30), "uint8"), [[0, 0, 1], [0, 0, 0]], interpolation="nearest"))
    assert picture.shape == (20, 30, 3)
    brightness = picture.sum(axis=-1)
    assert (brightness[:10, 20:] > 350).all()
    assert brightness[10:].max() < 10
    assert brightness[:, :20].max() < 10


def test_limits_and_opacity():
    image = np.full((8, 8, 3), 100, "uint8")
    assert (np.asarray(overlay(image, [[0.5]], opacity=0)) == 100).all()
    middle = np.asarray(overlay(image, [[0.5]], opacity=1, limits=(0, 1)))
    assert (middle == (188, 55, 84)).all()
    assert (np.asarray(overlay(image, [[7]], opacity=1, limits=(0, 1))) == (252, 255, 164)).all()
    assert (np.asarray(overlay(image, [[7, 7]], opacity=1)) == (0, 0, 4)).all()  # nothing stands out


@pytest.mark.parametrize(
    ("patch_map", "options", "message"),
    [
        (np.zeros((2, 2, 2)), {}, r"needs one finite map \(rows, columns\); got values of shape \(2, 2, 2\)"),
        ([[np.nan]], {}, "needs one finite map"),
        ([[1]], {"opacity": 2}, "needs 0 <= opacity <= 1; got opacity=2"),
        ([[1]], {"interpolation": "cubic"}, "needs interpolation to be 'bicubic' or 'nearest'; got 'cubic'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(patch_map, options, message):
    with pytest.raises(ValueError, match=f"overlay {message}"):
        overlay(np.zeros((4, 4), "uint8"), patch_map, **options)


def test_overlays_are_drawn_in_rows(tmp_path):
    sizes, path = [], tmp_path / "maps.png"
    for num_images, num_maps in ((1, 1), (1, 2), (1, 3), (2, 2)):
        images, maps = [np.zeros((8, 8), "uint8")] * num_images, np.ones((num_images, num_maps, 2, 2))
        plot_overlays(images, maps, path, columns=2, heading="a $ b")
        sizes.append(size_of(path))
    assert sizes[0][0] < sizes[1][0] == sizes[2][0] == sizes[3][0]
    assert sizes[0][1] == sizes[1][1] < sizes[2][1] == sizes[3][1]
    with pytest.raises(ValueError, match="for 1 images and 1 titles"):
        plot_overlays(images[:1], maps[:1], path, titles=["one"])
    with pytest.raises(ValueError, match="got shape .* for 1 images"):
        plot_overlays(images[:1], maps, path)


@pytest.mark.parametrize(
    "options",
    [
        {"layers": "all", "heads": "all"},
        {"layers": [0, 1], "heads": 1},
        {"method": "rollout"},
        {"method": "relevance"},
    ],
    ids=str,
)
def test_an_image_is_explained_in_a_png_file(image, tmp_path, monkeypatch, options):
    model = make_vit()
    monkeypatch.setattr(model, "labels", ("ant", "bee", "cat", "dog"))
    explain(model, image, tmp_path / "new" / "out.png", **options)
    assert size_of(tmp_path / "new" / "out.png")[0] > 300


def test_models_without_head_or_labels_are_explained_too(image, tmp_path):
    explain(make_vit(num_classes=0), image, tmp_path / "out.png")
    explain(make_vit(), image, tmp_path / "out.png", "relevance", target=2)
    explain(make_tiny("Swin"), image, tmp_path / "out.png", layers="all")
    with pytest.raises(ValueError, match=r"explain needs method to be one of .* got 'magic'"):
        explain(make_vit(), image, tmp_path / "other.png", "magic")
    assert not (tmp_path / "other.png").exists()


def test_the_pixels_shown_are_those_that_the_model_sees(monkeypatch):
    model = make_vit()
    monkeypatch.setattr(model, "preprocessing", Preprocessing(image_size=(8, 12), crop_fraction=0.5))
    pixels = np.zeros((200, 300, 3), "uint8")
    pixels[60:140, 90:210] = 255  # inside of the centre crop, which keeps 50:150, 75:225
    shown = seen_pixels(model, pixels)
    assert shown.shape == (336, 504, 3)
    rows, columns = (np.flatnonzero((shown[..., 0] > 127).any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == pytest.approx((33.6, 302.4), abs=2)
    assert (columns[0], columns[-1]) == pytest.approx((50.4, 453.6), abs=2)
    assert seen_pixels(make_vit(in_channels=1), pixels[..., 0]).shape == (336, 504, 3)
    with pytest.raises(ValueError, match="needs images of 1 or 3 channels; got 2"):
        seen_pixels(make_vit(in_channels=2), pixels[..., :2])


def test_positions_and_filters_are_drawn(tmp_path):
    for channels in (3, 5):
        model = make_vit(in_channels=channels)
        plot_patch_filters(model, tmp_path / "filters.png")
        assert size_of(tmp_path / "filters.png")[0] > 300
    plot_position_similarity(model, tmp_path / "positions.png")
    assert size_of(tmp_path / "positions.png")[0] > 500
