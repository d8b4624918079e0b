"""The presets of EVA: the tables are complete, and short names stand for what their rule says."""

import pytest

from keras_vit import EVA, EVAConfig
from keras_vit.models import catalogue
from keras_vit.models.eva import presets

CHECKPOINTS = {preset.name: preset for preset in presets.presets() if not preset.alias_of}


def config_of(preset):
    return EVAConfig.from_dict(catalogue.our_section(preset.read_settings(), preset.name)["config"])


def test_every_published_checkpoint_has_a_config():
    assert len(CHECKPOINTS) == 83  # of timm 1.0.31's module eva
    for preset in CHECKPOINTS.values():
        config = config_of(preset)
        assert (config.image_size, config.num_classes) == (preset.image_size, preset.num_classes)


def test_a_short_name_of_a_classifier_is_the_best_of_its_architecture():
    for alias, name in presets.SHORT_NAMES.items():
        preset = CHECKPOINTS[name]
        if preset.num_classes != 1000:
            assert not alias.startswith(("eva_g14", "rope_"))
            continue
        rivals = [each for each in CHECKPOINTS.values() if each.name.startswith(f"{name.split('.')[0]}.")]
        assert preset.reported_top1 == max(each.reported_top1 or 0 for each in rivals)


# In millions, as Siméoni et al., 2025, Fang et al., 2022 and 2023, and Bolya et al., 2025, give them.
@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("dinov3_s16", 21),
        ("dinov3_s16_plus", 29),
        ("dinov3_b16", 86),
        ("dinov3_l16", 300),
        ("dinov3_h16_plus", 840),
        ("dinov3_7b16", 6716),
        ("eva02_ti14_mim", 6),
        ("eva02_s14_mim", 22),
        ("eva02_b14_mim", 86),
        ("eva02_l14_mim", 304),
        ("eva_g14", 1012),
        ("pe_core_g14", 1880),
    ],
)
def test_sizes_are_those_of_the_papers(name, millions):
    assert catalogue.find(name).parameters / 1e6 == pytest.approx(millions, rel=0.02, abs=0.8)


@pytest.mark.parametrize(
    "name",
    [
        "eva02_ti14",  # positions of the class token
        "vit_tiny_patch16_dinov3_qkvb.eupe_lvd1689m",  # biases of queries and values alone
        "pe_core_ti16",  # attention pooling
    ],
)
def test_parameters_are_those_of_the_model(name):
    assert catalogue.find(name).parameters == EVA.from_preset(name, load_weights=False).count_params()


def test_the_short_names_that_users_say_are_there():
    for alias in ("dinov3_s16", "dinov3_b16", "eva02_b14", "pe_core_b16"):
        assert catalogue.find(alias).architecture == "EVA"
