"""The catalogue: names, close matches, what is known of a preset."""

import json
from pathlib import Path

import pytest

import keras_vit
from keras_vit import ViT, from_preset, list_presets, show
from keras_vit.models import catalogue
from tests.models.vit.configs import TINY

SIZES = ["vit_b16", "vit_b32", "vit_b8", "vit_h14", "vit_l16", "vit_s16", "vit_s32", "vit_ti16"]


def test_presets_are_listed_by_name():
    names = [preset.name for preset in list_presets()]
    assert names == sorted(names)
    assert {*SIZES, "vit_digits"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_pattern_narrows_the_list():
    assert [preset.name for preset in list_presets("vit_b*")] == ["vit_b16", "vit_b32", "vit_b8"]
    assert list_presets("nothing*") == []


@pytest.mark.parametrize("preset", list_presets(), ids=lambda preset: preset.name)
def test_every_preset_is_complete(preset):
    model_class = catalogue.model_class(preset.architecture)
    config = model_class.config_class.from_dict(preset.config)
    assert preset.description
    assert "\n" not in preset.description
    if preset.folder is None:
        assert preset.parameters == parameters_of(config)


def parameters_of(config):
    """By hand, for a plain ViT."""
    width, mlp = config.embed_dim, config.mlp_dim
    patch = config.patch_size[0] * config.patch_size[1] * config.in_channels
    rows, columns = config.grid_size
    block = 2 * 2 * width + 3 * width * (width + 1) + width * (width + 1)
    block += mlp * (width + 1) + width * (mlp + 1)
    embedding = width * (patch + 1) + rows * columns * width + width
    return embedding + config.depth * block + 2 * width + config.num_classes * (width + 1)


def test_the_count_by_hand_is_that_of_a_model():
    model = ViT(**TINY)
    assert parameters_of(model.config) == model.count_params()


# Table 1 of Dosovitskiy et al., 2021, in millions; table 2 of Steiner et al., 2022.
@pytest.mark.parametrize(
    ("name", "millions"),
    [("vit_ti16", 5.8), ("vit_s16", 22.2), ("vit_s32", 23.0), ("vit_b16", 86), ("vit_l16", 307), ("vit_h14", 632)],
)
def test_sizes_are_those_of_the_papers(name, millions):
    assert catalogue.find(name).parameters / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_b61", "Unknown preset 'vit_b61'. Did you mean 'vit_b16'"),
        ("VIT_B16", "Unknown preset 'VIT_B16'. Known presets: vit_b16, vit_b32"),
        ("./nowhere", "No preset folder at './nowhere'"),
        (Path("nowhere"), "No preset folder at 'nowhere'"),
    ],
    ids=str,
)
def test_an_unknown_name_is_refused_with_close_ones(name, message):
    for ask in (from_preset, ViT.from_preset, show):
        with pytest.raises(ValueError, match=message.replace(".", r"\.")):
            ask(name)


def test_show_tells_what_is_known_of_an_architecture():
    text = show("vit_s32")
    assert "keras_vit.ViT" in text
    assert "22,878,568" in text
    assert "load_weights=False" in text
    assert "patch_size=(32, 32)" in text


def test_show_tells_what_is_known_of_a_folder(tmp_path):
    evaluation = {"dataset": "digits", "accuracy": 0.5, "num_images": 360}
    model = ViT(**TINY, labels=["ant", "bee", "cat"], provenance={"license": "mit", "evaluation": evaluation})
    text = show(model.save_to_preset(tmp_path / "mine"))
    for fact in ("ant, bee, cat", "license        mit", "accuracy=0.5", "image_size=[8, 12]", str(tmp_path / "mine")):
        assert fact in text


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="needs a config.json"):
        show(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet50"}))
    for ask in (from_preset, show):
        with pytest.raises(ValueError, match="config.json needs a 'keras_vit' section"):
            ask(tmp_path)


def test_an_unknown_model_class_is_refused(tmp_path):
    folder = ViT(**TINY).save_to_preset(tmp_path / "mine")
    settings = json.loads((folder / "config.json").read_text())
    settings["keras_vit"]["class"] = "Swin9000"
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="Unknown model class 'Swin9000'; this version knows ViT"):
        from_preset(folder)


def test_the_catalogue_is_public():
    assert keras_vit.list_presets is list_presets
    assert keras_vit.models.Preset is catalogue.Preset
