"""The catalogue: names, close matches, what is known of a preset."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

import keras_vit
from keras_vit import ViT, from_preset, list_presets, show
from keras_vit.models import catalogue
from tests.models.vit.configs import TINY


def test_presets_are_listed_by_name():
    names = [preset.name for preset in list_presets()]
    assert names == sorted(names)
    assert {"vit_b16", "vit_digits", "vit_base_patch16_224.augreg_in21k"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_pattern_narrows_the_list():
    assert [preset.name for preset in list_presets("vit_b32*")] == ["vit_b32", "vit_b32_384", "vit_b32_in21k"]
    assert list_presets("nothing*") == []


@pytest.mark.parametrize("preset", list_presets(), ids=lambda preset: preset.name)
def test_every_preset_is_complete(preset):
    assert catalogue.model_class(preset.architecture)
    assert preset.description
    assert "\n" not in preset.description
    assert preset.parameters > 0
    assert preset.image_size
    assert preset.is_described


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


PLAIN = [preset for preset in list_presets("vit_*") if preset.alias_of]


@pytest.mark.parametrize("preset", PLAIN, ids=lambda preset: preset.name)
def test_parameters_of_plain_models_are_those_of_their_configs(preset):
    section = catalogue.our_section(preset.read_settings(), preset.name)
    assert preset.parameters == parameters_of(ViT.config_class.from_dict(section["config"]))


def test_full_names_and_repositories_of_timm_are_entries_of_the_catalogue():
    entry = catalogue.find("vit_base_patch16_224.augreg2_in21k_ft_in1k")
    assert entry.reported_top1 == 85.108
    assert catalogue.find(f"timm/{entry.name}") == entry
    assert catalogue.find(f"hf://timm/{entry.name}@v2") == dataclasses.replace(entry, revision="v2")
    assert catalogue.find("vit_b16") == dataclasses.replace(entry, name="vit_b16", alias_of=entry.name)


@pytest.mark.parametrize(
    ("name", "hub_id", "revision"),
    [
        ("google/vit-base-patch16-224", "google/vit-base-patch16-224", None),
        ("hf://google/vit-base-patch16-224", "google/vit-base-patch16-224", None),
        ("hf://google/vit-base-patch16-224@main", "google/vit-base-patch16-224", "main"),
        ("me/my_vit@refs/pr/1", "me/my_vit", "refs/pr/1"),
        ("timm/vit_of_tomorrow", "timm/vit_of_tomorrow", None),
    ],
)
def test_other_repositories_are_named_by_owner_and_name(name, hub_id, revision):
    entry = catalogue.find(name)
    assert (entry.name, entry.hub_id, entry.revision, entry.folder) == (name, hub_id, revision, None)
    with pytest.raises(ValueError, match=f"the settings are in the Hub repository '{hub_id}'"):
        entry.read_settings()
    assert f"https://huggingface.co/{hub_id}" in show(name)


def test_a_folder_comes_before_a_repository_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me" / "my_vit").mkdir(parents=True)
    assert catalogue.find("me/my_vit").folder == Path("me/my_vit")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_b61", "Unknown preset 'vit_b61'. Did you mean 'vit_b16'"),
        ("VIT_B16", "Unknown preset 'VIT_B16'. Did you mean 'vit_b16'"),
        ("resnet50", "Unknown preset 'resnet50'. Pass the name of a preset, a folder, or a Hub repository"),
        ("vit_base_patch16_384", "Did you mean 'vit_base_patch16_384.augreg_in1k' or "),
        ("hf://vit_b16", "needs the form hf://owner/name or hf://owner/name@revision; got 'hf://vit_b16'"),
        ("hf://me/my_vit@../../x", "needs the form hf://owner/name"),
        ("./nowhere", "No preset folder at './nowhere'"),
        (Path("nowhere"), "No preset folder at 'nowhere'"),
    ],
    ids=str,
)
def test_an_unknown_name_is_refused_with_close_ones(name, message):
    for ask in (from_preset, ViT.from_preset, show):
        with pytest.raises(ValueError, match=re.escape(message)):
            ask(name)


def test_show_tells_what_is_known_of_a_preset():
    text = show("vit_s32")
    for fact in (
        "stands for     vit_small_patch32_224.augreg_in21k_ft_in1k",
        "keras_vit.ViT",
        "22,878,568",
        "https://huggingface.co/timm/vit_small_patch32_224.augreg_in21k_ft_in1k",
        "license        apache-2.0",
        "1,000 of imagenet-1k: tench, Tinca tinca; goldfish, Carassius auratus; ...",
        "top-1 76.01 %, top-5 93.266 %; timm's published results table",
        "crop_fraction=0.9",
        "patch_size=(32, 32)",
    ):
        assert fact in text


def test_show_says_why_a_preset_cannot_be_loaded():
    text = show("vit_dwee_patch16_reg1_gap_256.sbb_in1k")
    assert "not loadable" in text
    assert "differential attention" in text


def test_show_says_that_weights_are_not_on_the_hub():
    assert "load_weights=False" in show("vit_huge_patch14_gap_224.in1k_ijepa")


def test_show_tells_what_is_known_of_a_folder(tmp_path):
    evaluation = {"dataset": "digits", "accuracy": 0.5, "num_images": 360}
    model = ViT(**TINY, labels=["ant", "bee", "cat"], provenance={"license": "mit", "evaluation": evaluation})
    text = show(model.save_to_preset(tmp_path / "mine"))
    for fact in ("ant, bee, cat", "license        mit", "accuracy=0.5", "image_size=[8, 12]", str(tmp_path / "mine")):
        assert fact in text


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="needs a config.json"):
        show(tmp_path)
    for settings, message in (
        ({"architecture": "resnet50"}, "'resnet50' is none that keras_vit knows"),
        ({"keras_vit": {"class": "ViT"}}, "config.json needs a 'keras_vit' section"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(settings))
        for ask in (from_preset, show):
            with pytest.raises(ValueError, match=message):
                ask(tmp_path)


def test_an_unknown_model_class_is_refused(tmp_path):
    folder = ViT(**TINY).save_to_preset(tmp_path / "mine")
    settings = json.loads((folder / "config.json").read_text())
    settings["keras_vit"]["class"] = "Swin9000"
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="Unknown model class 'Swin9000'; this version knows BEiT, EVA, .*, ViT"):
        from_preset(folder)


def test_the_catalogue_is_public():
    assert keras_vit.list_presets is list_presets
    assert keras_vit.models.Preset is catalogue.Preset
