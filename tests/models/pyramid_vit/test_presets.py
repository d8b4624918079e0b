"""The presets of PyramidViT: facts of timm's checkpoints, sizes and papers."""

import pytest

from keras_vit import PyramidViT
from keras_vit.models import catalogue
from keras_vit.models.pyramid_vit import presets
from keras_vit.models.pyramid_vit.papers import papers

CHECKPOINTS = {preset.name: preset for preset in presets.presets() if preset.timm_settings and not preset.alias_of}


def test_facts_of_a_checkpoint_are_those_of_timm():
    # timm/models/pvt_v2.py and results/results-imagenet.csv
    preset = CHECKPOINTS["pvt_v2_b2.in1k"]
    assert (preset.hub_id, preset.license, preset.labels) == ("timm/pvt_v2_b2.in1k", "apache-2.0", "imagenet-1k")
    assert (preset.reported_top1, preset.reported_top5) == (82.062, 95.966)
    assert preset.preprocessing["crop_fraction"] == 0.9
    assert len(CHECKPOINTS) == 7


def test_each_checkpoint_has_a_short_name():
    assert {catalogue.find(alias).alias_of for alias in presets.SHORT_NAMES} == set(CHECKPOINTS)


# Table 3 of Wang et al., 2022, arXiv 2106.13797, in millions.
@pytest.mark.parametrize(
    ("name", "millions"),
    [("b0", 3.4), ("b1", 13.1), ("b2", 25.4), ("b2_li", 22.6), ("b3", 45.2), ("b4", 62.6), ("b5", 82.0)],
)
def test_sizes_are_those_of_the_paper(name, millions):
    preset = catalogue.find(f"pvt_v2_{name}")
    assert preset.parameters / 1e6 == pytest.approx(millions, abs=1.0)
    config = PyramidViT.config_class.from_dict(catalogue.our_section(preset.read_settings(), name)["config"])
    # Kernels are counted, biases and norms are not.
    assert PyramidViT.count_weights(config) == pytest.approx(preset.parameters, rel=0.01)


def test_parameters_are_those_of_the_model():
    for name in ("pvt_v2_b0", "pvt_v2_b2_li"):
        model = PyramidViT.from_preset(name, load_weights=False)
        assert catalogue.find(name).parameters == model.count_params()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("", "2106.13797"),
        ("timm/pvt_v2_b2.in1k", "2106.13797"),
        ("OpenGVLab/pvt_v2_b0", "2106.13797"),
        ("nvidia/mit-b0", "2105.15203"),
        ("nvidia/segformer-b0-finetuned-ade-512-512", "2105.15203"),
        ("me/permit-b0", "2106.13797"),
    ],
)
def test_a_name_tells_the_paper(name, number):
    assert [paper.arxiv for paper in papers(name)] == [number]
