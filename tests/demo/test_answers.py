"""What the page shows: classes, and pictures of attention; without Gradio."""

import numpy as np
import pytest
from PIL import Image

from keras_vit import ViT, from_preset
from keras_vit.demo import answers
from keras_vit.preprocessing import ImageError
from keras_vit.visualize import attention_maps, overlay, seen_pixels


@pytest.fixture(scope="module")
def model():
    return from_preset("vit_digits")


@pytest.fixture
def image(tmp_path):
    """A stroke downwards, on a canvas that is not square."""
    pixels = np.zeros((40, 60), "uint8")
    pixels[4:36, 26:34] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    return str(tmp_path / "one.png")


def test_classes_are_those_of_classify_best_first(model, image):
    named = answers.name_classes(model, image, 3)
    assert list(named.items()) == model.classify(image, top=3)
    assert list(named.values()) == sorted(named.values(), reverse=True)


def test_classes_of_one_name_are_all_there(model, image, monkeypatch):
    monkeypatch.setattr(model, "labels", ("crane",) * 10)
    assert list(answers.name_classes(model, image, 3)) == ["crane", "crane (2)", "crane (3)"]


def test_every_head_of_a_layer_gets_its_picture(model, image):
    pictures = answers.draw_attention(model, image, 2)
    assert [title for _, title in pictures] == ["mean of all heads", "head 0", "head 1", "head 2", "head 3"]
    maps = attention_maps(model, model.preprocessing([image]), [2], "all")[0, 0]
    for (picture, _), patch_map in zip(pictures, [maps.mean(axis=0), *maps], strict=True):
        assert picture == overlay(seen_pixels(model, image), patch_map)


def test_an_unreadable_image_is_one_error(model, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for show in (
        lambda path: answers.name_classes(model, path, 5),
        lambda path: answers.draw_attention(model, path, 0),
    ):
        with pytest.raises(ImageError, match="broken.png"):
            show(str(tmp_path / "broken.png"))


def test_the_heading_says_what_the_model_is(model):
    heading = answers.describe(model, "vit_digits")
    assert heading.startswith("# vit_digits\n\nThis model names what is in a picture, and shows where it looks. ViT, ")
    assert heading.endswith("8 x 8 pixels, license mit.")


def test_an_encoder_without_a_head_only_shows_where_it_looks(image):
    encoder = ViT(image_size=8, patch_size=4, embed_dim=8, depth=1, num_heads=2, num_classes=0)
    assert not answers.has_classes(encoder)
    assert "This model shows where it looks." in answers.describe(encoder, "mine")
    assert len(answers.draw_attention(encoder, image, 0)) == 3
