"""The presets of PyramidViT: facts of timm's checkpoints and of MiT's, sizes and papers."""

import json

import numpy as np
import pytest

from keras_vit import PyramidViT, from_preset, show
from keras_vit.models import catalogue
from keras_vit.models.labels import class_names
from keras_vit.models.preset_folder import save_for_transformers
from keras_vit.models.pyramid_vit import presets
from keras_vit.models.pyramid_vit.layouts.transformers_layout import LAYOUT as SEGFORMER
from keras_vit.models.pyramid_vit.papers import papers
from tests.sampling import sample

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


@pytest.mark.parametrize("name", sample(("pvt_v2_b0", "pvt_v2_b2_li"), 2))
def test_parameters_are_those_of_the_model(name):
    model = PyramidViT.from_preset(name, load_weights=False)
    assert catalogue.find(name).parameters == model.count_params()


# MiT: config and labels are the catalogue's, the weights are in transformers' files.

# transformers 5.23.0: what SegformerForImageClassification has with 1000 classes.
MIT_PARAMETERS = {
    "mit_b0": 3_576_392,
    "mit_b1": 13_664_424,
    "mit_b2": 24_709_288,
    "mit_b3": 44_585_128,
    "mit_b4": 61_355_688,
    "mit_b5": 81_956_008,
}


@pytest.fixture(scope="module")
def mit_b0():
    return PyramidViT.from_preset("mit_b0", load_weights=False)


@pytest.mark.parametrize("name", MIT_PARAMETERS)
def test_sizes_of_mit_are_those_of_transformers(name):
    preset = catalogue.find(name)
    assert preset.parameters == MIT_PARAMETERS[name]
    config = SEGFORMER.describe(preset.read_settings(), {}).config
    assert PyramidViT.count_weights(config) == pytest.approx(preset.parameters, rel=0.01)  # kernels alone


def test_mit_is_built_without_a_connection(mit_b0):
    assert mit_b0.count_params() == MIT_PARAMETERS["mit_b0"]
    assert mit_b0.config.image_size == mit_b0.preprocessing.image_size == (224, 224)
    assert mit_b0.labels == class_names("imagenet-1k")


def test_mit_is_loaded_from_the_files_of_transformers(mit_b0, hub_server, randomise, tmp_path):
    randomise(mit_b0)
    folder = save_for_transformers(mit_b0, tmp_path / "theirs")
    assert json.loads((folder / "config.json").read_text())["model_type"] == "segformer"
    (folder / "README.md").write_text("---\nlicense: other\n---\n")  # as in NVIDIA's repositories
    commit = hub_server.add("nvidia/mit-b0", folder)

    with pytest.raises(FileNotFoundError, match=catalogue.find("mit_b0").revision):  # main has no safetensors there
        from_preset("mit_b0", endpoint=hub_server.endpoint)

    model = from_preset("mit_b0", revision="main", endpoint=hub_server.endpoint)

    assert model.config == mit_b0.config
    for path, weight in mit_b0.weights_by_path().items():
        np.testing.assert_array_equal(model.weights_by_path()[path].numpy(), weight.numpy())
    assert {row.status for row in model.load_report.rows} == {"loaded"}
    assert model.provenance == {
        "license": "nvidia-segformer-license",
        "source": {"repo_id": "nvidia/mit-b0", "revision": commit},
    }


def test_the_card_of_mit_says_that_use_is_not_commercial(mit_b0, tmp_path):
    source = {"repo_id": "nvidia/mit-b0", "revision": "a" * 40}
    mit_b0.provenance = {"license": catalogue.find("mit_b0").license, "source": source}
    folder = mit_b0.save_to_preset(tmp_path / "mine")
    card, licence = (folder / "README.md").read_text(), (folder / "LICENSE").read_text()
    assert "license: other\nlicense_name: nvidia-segformer-license\n" in card
    assert "https://github.com/NVlabs/SegFormer/blob/master/LICENSE" in card
    assert "2105.15203" in card
    assert "70.5 %" in card
    assert "It allows no commercial use" in licence


def test_mit_is_listed_with_what_is_known():
    text = show("mit_b3")
    for fact in ("https://huggingface.co/nvidia/mit-b3", "44,585,128", "top-1 83.1 %; Xie et al.", "(3, 4, 18, 3)"):
        assert fact in text


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
