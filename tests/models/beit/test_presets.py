"""The presets of BEiT: the tables are complete, and short names stand for what their rule says."""

from keras_vit import BEiTConfig
from keras_vit.models import catalogue
from keras_vit.models.beit import presets

CHECKPOINTS = {preset.name: preset for preset in presets.presets() if not preset.alias_of}


def test_every_published_checkpoint_has_a_config():
    assert len(CHECKPOINTS) == 13  # of timm 1.0.31's module beit
    for preset in CHECKPOINTS.values():
        config = BEiTConfig.from_dict(catalogue.our_section(preset.read_settings(), preset.name)["config"])
        assert (config.image_size, config.num_classes) == (preset.image_size, preset.num_classes)
        assert (config.pooling, config.use_head_norm, config.positional_encoding) == ("mean", True, "none")


def test_a_short_name_is_the_best_classifier_of_its_architecture():
    for alias, name in presets.SHORT_NAMES.items():
        preset = CHECKPOINTS[name]
        if alias.endswith("_in22k"):
            assert (preset.num_classes, preset.labels) == (21841, "imagenet-22k")
            continue
        rivals = [each for each in CHECKPOINTS if each.startswith(f"{name.split('.')[0]}.")]
        assert preset.reported_top1 == max(CHECKPOINTS[each].reported_top1 or 0 for each in rivals)
