"""The presets of Swin of both versions: the tables are complete, and short names stand for what their rule says."""

import pytest

from keras_vit import Swin, from_preset, list_presets
from keras_vit.models import catalogue
from keras_vit.models.swin import presets as swin_presets
from keras_vit.models.swin_v2 import presets as swin_v2_presets

PRESETS = [*swin_presets.presets(), *swin_v2_presets.presets()]
CHECKPOINTS = {preset.name: preset for preset in PRESETS if not preset.alias_of}
SHORT = [preset for preset in PRESETS if preset.alias_of]


def test_every_published_checkpoint_has_an_entry():
    names = [name for name in CHECKPOINTS if name.startswith("swin_")]
    assert (len(names), len(CHECKPOINTS)) == (19, 31)  # of timm 1.0.31's swin_transformer and swin_transformer_v2
    assert {preset.license for preset in CHECKPOINTS.values()} == {"mit"}


def config_of(preset):
    section = preset.read_settings()["keras_vit"]
    return catalogue.model_class(section["class"]).config_class.from_dict(section["config"])


@pytest.mark.parametrize("preset", CHECKPOINTS.values(), ids=lambda preset: preset.name)
def test_the_number_of_parameters_is_that_of_timm(preset):
    assert parameters_of(config_of(preset)) == preset.parameters


def parameters_of(config):
    """By hand."""
    count = config.embed_dim * (config.patch_size[0] * config.patch_size[1] * 3 + 1) + 2 * config.embed_dim
    for stage, (depth, num_heads) in enumerate(zip(config.depths, config.num_heads, strict=True)):
        width, (rows, columns) = config.embed_dim * 2**stage, config.window_sizes[stage]
        if stage:  # four patches of half the width, and a norm before them or behind
            count += 2 * width * width + 2 * (2 * width if isinstance(config, Swin.config_class) else width)
        if isinstance(config, Swin.config_class):
            attention = 3 * width * (width + 1) + (2 * rows - 1) * (2 * columns - 1) * num_heads
        else:
            attention = 3 * width * width + 2 * width + num_heads + 512 * (3 + num_heads)
        block = attention + width * (width + 1) + 4 * width * (width + 1) + width * (4 * width + 1) + 4 * width
        count += depth * block
    return count + 2 * width + config.num_classes * (width + 1)


@pytest.mark.parametrize("preset", SHORT, ids=lambda preset: preset.name)
def test_short_names_of_classifiers_have_the_best_reported_accuracy(preset):
    assert preset.alias_of in CHECKPOINTS
    if preset.name.endswith("in21k"):
        assert preset.num_classes == 21841
        return
    size = preset.alias_of.split("_")[1:2] if "_s3_" not in preset.name else preset.alias_of.split("_")[1:3]
    rivals = [
        other.reported_top1
        for other in CHECKPOINTS.values()
        if other.name.split("_")[1 : 1 + len(size)] == size
        and other.architecture == preset.architecture
        and other.image_size == preset.image_size
        and other.reported_top1
    ]
    assert preset.reported_top1 == max(rivals)


def test_a_short_name_builds_its_class():
    model = from_preset("swin_t", load_weights=False, num_classes=0)
    assert type(model) is Swin
    assert model.count_params() == 27_519_354  # timm's model without a head
    assert config_of(catalogue.find("swinv2_b")).pretrained_window_sizes == [12, 12, 12, 6]
    assert {"swin_t", "swin_s", "swin_b", "swin_l"} < {preset.name for preset in list_presets("swin_*")}
