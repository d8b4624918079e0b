"""The presets of ViT: the tables are complete, and short names stand for what their rule says."""

import re

import pytest

from keras_vit import Preprocessing, ViT
from keras_vit.models import catalogue
from keras_vit.models.labels import class_names
from keras_vit.models.vit import presets

CHECKPOINTS = {preset.name: preset for preset in presets.presets() if preset.timm_settings and not preset.alias_of}
CLASSIFIERS = [
    alias
    for alias, name in presets.SHORT_NAMES.items()
    if (alias.startswith(("vit_", "deit", "flexivit")) and not alias.endswith("in21k")) or "_in1k" in alias
]


def architecture_of(name):
    return name.split(".")[0]


def test_every_published_checkpoint_has_an_entry():
    assert len(CHECKPOINTS) == 333  # of timm 1.0.31's modules vision_transformer and deit
    assert len({architecture_of(name) for name in CHECKPOINTS}) == 161


def test_facts_of_a_checkpoint_are_those_of_timm():
    # timm/models/vision_transformer.py and results/results-imagenet.csv
    preset = CHECKPOINTS["vit_base_patch16_clip_384.openai_ft_in12k_in1k"]
    assert preset.hub_id == "timm/vit_base_patch16_clip_384.openai_ft_in12k_in1k"
    assert preset.license == "apache-2.0"
    assert (preset.image_size, preset.num_classes, preset.labels) == ((384, 384), 1000, "imagenet-1k")
    assert (preset.reported_top1, preset.reported_top5) == (87.030, 98.186)
    assert preset.reported_source == "timm's published results table, results-imagenet.csv"
    assert preset.preprocessing == {
        "image_size": (384, 384),
        "num_channels": 3,
        "crop_fraction": 0.95,
        "crop_mode": "squash",
        "interpolation": "bicubic",
        "mean": (0.48145466, 0.4578275, 0.40821073),
        "std": (0.26862954, 0.26130258, 0.27577711),
    }
    assert preset.timm_settings == {
        "img_size": (384, 384),
        "in_chans": 3,
        "num_classes": 1000,
        "norm_layer": "LayerNorm(eps=1e-05)",
        "pre_norm": True,
    }


@pytest.mark.parametrize("preset", CHECKPOINTS.values(), ids=lambda preset: preset.name)
def test_preprocessing_and_labels_fit_the_model(preset):
    record = Preprocessing.from_dict(preset.preprocessing)
    assert record.image_size == preset.image_size == preset.timm_settings["img_size"]
    assert preset.labels is None or len(class_names(preset.labels)) == preset.num_classes


@pytest.mark.parametrize("preset", CHECKPOINTS.values(), ids=lambda preset: preset.name)
def test_every_preset_has_a_config_or_a_reason(preset):
    if preset.obstacle:
        with pytest.raises(ValueError, match=re.escape(f"ViT cannot build {preset.name}: {preset.obstacle}")):
            preset.read_settings()
        return
    section = catalogue.our_section(preset.read_settings(), preset.name)
    config = ViT.config_class.from_dict(section["config"])
    assert (config.image_size, config.num_classes) == (preset.image_size, preset.num_classes)


def test_exceptions_name_architectures_that_there_are():
    exceptions = {name for name, preset in CHECKPOINTS.items() if preset.obstacle}
    assert all(any(name.startswith(start) for name in exceptions) for start in presets.TABLES.exceptions)
    assert len(exceptions) == 5


def test_heads_that_are_projections_have_no_labels():
    for name in (
        "vit_base_patch32_clip_224.openai",
        "vit_large_patch14_clip_224.laion2b",
        "vit_base_patch16_224.bamboo",
    ):
        assert CHECKPOINTS[name].num_classes
        assert CHECKPOINTS[name].labels is None


def test_short_names_stand_for_checkpoints_that_can_be_loaded():
    for alias, name in presets.SHORT_NAMES.items():
        preset = catalogue.find(alias)
        assert (preset.name, preset.alias_of) == (alias, name)
        assert preset.hub_id
        assert preset.obstacle is None
    assert not presets.SHORT_NAMES.keys() & CHECKPOINTS.keys()


def test_vit_b16_is_the_augreg_2_model():
    assert presets.SHORT_NAMES["vit_b16"] == "vit_base_patch16_224.augreg2_in21k_ft_in1k"


@pytest.mark.parametrize("alias", CLASSIFIERS)
def test_the_short_name_of_a_classifier_is_the_best_of_its_architecture(alias):
    name = presets.SHORT_NAMES[alias]
    rivals = [preset for preset in CHECKPOINTS.values() if architecture_of(preset.name) == architecture_of(name)]
    best = max(rivals, key=lambda preset: preset.reported_top1 or 0)
    assert best.name == name or (alias == "vit_h14" and best.reported_top1 is None)


def test_a_short_name_without_a_size_is_224_or_the_smallest():
    for alias in presets.SHORT_NAMES:
        stem = re.sub(r"_\d{3}$", "", alias)
        if stem == alias:
            continue
        assert catalogue.find(alias).image_size == (int(alias[-3:]),) * 2
        if stem in presets.SHORT_NAMES:
            assert catalogue.find(stem).image_size < catalogue.find(alias).image_size


# Table 1 of Dosovitskiy et al., 2021, in millions; table 2 of Steiner et al., 2022; table 1 of Touvron et al., 2021.
@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("vit_ti16", 5.8),
        ("vit_s16", 22.2),
        ("vit_s32", 23.0),
        ("vit_b16", 86),
        ("vit_l16", 307),
        ("vit_h14", 632),
        ("deit_ti16", 5),
        ("deit_s16", 22),
        ("deit_b16", 86),
    ],
)
def test_sizes_are_those_of_the_papers(name, millions):
    assert catalogue.find(name).parameters / 1e6 == pytest.approx(millions, rel=0.02, abs=0.8)


@pytest.mark.parametrize(
    "name",
    [
        "test_vit.r160_in1k",  # positions of the class token
        "test_vit2.r160_in1k",  # positions of a register token, no class token
        "test_vit3.r160_in1k",  # attention pooling
        "deit_ti16_distilled",  # positions of two tokens, two heads
        "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m",  # norm before the first layer
        "vit_wee_patch16_reg1_gap_256.sbb_in1k",  # tokens without positions
    ],
)
def test_parameters_are_those_of_the_model(name):
    model = ViT.from_preset(name, load_weights=False)
    assert catalogue.find(name).parameters == model.count_params()


@pytest.mark.slow
def test_tables_are_read_when_they_are_asked_for(run_python):
    code = """
import keras_vit
from keras_vit.models import timm_tables


def refuse(path):
    raise AssertionError(path)


timm_tables._read = refuse
for name in keras_vit.models.catalogue.ARCHITECTURES:
    keras_vit.models.catalogue.model_class(name)
"""
    run_python(code)


def test_short_and_full_names_and_vit_digits_are_all_there_is():
    assert len(presets.presets()) == 333 + len(presets.SHORT_NAMES) + 1
