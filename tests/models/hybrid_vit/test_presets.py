"""The presets of HybridViT: complete tables, and short names that stand for what their rule says."""

import pytest

from keras_vit import HybridViT
from keras_vit.models import catalogue
from keras_vit.models.hybrid_vit import presets

CHECKPOINTS = {preset.name: preset for preset in presets.presets() if not preset.alias_of}


def test_every_published_checkpoint_has_an_entry():
    assert len(CHECKPOINTS) == 14  # of timm 1.0.31's module vision_transformer_hybrid
    assert len(presets.TABLES.architectures()) == 9


@pytest.mark.parametrize("preset", CHECKPOINTS.values(), ids=lambda preset: preset.name)
def test_every_preset_has_a_config(preset):
    section = catalogue.our_section(preset.read_settings(), preset.name)
    config = HybridViT.config_class.from_dict(section["config"])
    assert (config.image_size, config.num_classes) == (preset.image_size, preset.num_classes)
    strides = 32 if "_s32_" in preset.name or "_p8_" in preset.name else 16
    assert config.patch_size == (strides, strides)


def test_short_names_stand_for_the_best_of_their_size():
    for alias, name in presets.SHORT_NAMES.items():
        entry = catalogue.find(alias)
        assert (entry.name, entry.alias_of) == (alias, name)
        assert alias.endswith("in21k") == name.endswith("in21k")
    assert catalogue.find("r26_s32").reported_top1 == 81.856


@pytest.mark.parametrize("name", ["r_ti16", "r26_s32"])
def test_parameters_are_those_of_the_model(name):
    assert catalogue.find(name).parameters == HybridViT.from_preset(name, load_weights=False).count_params()
