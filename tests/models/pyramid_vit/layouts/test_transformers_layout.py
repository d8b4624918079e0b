"""transformers' files: settings that are read, refused and written; tests/parity compares outputs."""

import re

import pytest

from keras_vit import PyramidViT, PyramidViTConfig
from keras_vit.models.pyramid_vit.layouts.transformers_layout import LAYOUT, TO_TRANSFORMERS
from keras_vit.preprocessing import Preprocessing
from tests.models.pyramid_vit.configs import TINY

SEGFORMER = {"model_type": "segformer", "architectures": ["SegformerForImageClassification"], "num_labels": 3}
PREPROCESSING = Preprocessing(image_size=(16, 24), crop_mode="squash")
EPSILONS = {"norm_epsilon": 1e-5, "embedding_norm_epsilon": 1e-5}


def test_segformer_is_mit_b0_unless_its_file_says_otherwise():
    description = LAYOUT.describe(SEGFORMER, {})
    assert description.config == PyramidViTConfig(
        embed_dims=(32, 64, 160, 256),
        depths=(2, 2, 2, 2),
        mlp_ratios=(4, 4, 4, 4),
        **EPSILONS,
        drop_path_rate=0.1,
        num_classes=3,
    )
    assert description.preprocessing is None


def test_the_epsilon_in_files_of_segformer_is_not_heeded():
    assert LAYOUT.describe({**SEGFORMER, "layer_norm_eps": 1e-6}, {}).config.norm_epsilon == 1e-5
    assert LAYOUT.describe({"model_type": "pvt_v2", "layer_norm_eps": 1e-3}, {}).config.norm_epsilon == 1e-3


@pytest.mark.parametrize(
    ("processor", "size"),
    [
        ({}, (512, 512)),
        ({"size": 224}, (224, 224)),
        ({"size": {"height": 640, "width": 320}}, (640, 320)),
        ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}, (224, 224)),
    ],
    ids=str,
)
def test_the_image_size_is_what_the_processor_makes(processor, size):
    description = LAYOUT.describe({**SEGFORMER, "image_size": 224, "preprocessor": processor}, {})
    assert description.config.image_size == description.preprocessing["image_size"] == size
    assert description.preprocessing["mean"] == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architectures": ["SegformerForDepth"]}, "needs architectures to name a class of transformers"),
        ({"patch_sizes": [7, 3, 3, 5]}, "PyramidViT needs patch_sizes=[7, 3, 3, 3] in config.json; got [7, 3, 3, 5]"),
        ({"strides": [2, 2, 2, 2]}, "PyramidViT needs strides=[4, 2, 2, 2] in config.json; got [2, 2, 2, 2]"),
        ({"depths": [2, 2]}, "needs one number for each of the 2 stages"),
        ({"depths": "many"}, "depths needs a list with one value for each stage; got 'many'"),
        ({"hidden_act": "mish"}, "PyramidViT needs hidden_act to be one of"),
    ],
    ids=str,
)
def test_other_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        LAYOUT.describe({**SEGFORMER, **settings}, {})


def test_a_segmenter_is_read_as_its_encoder_and_the_decoder_has_a_reason():
    settings = {**SEGFORMER, "architectures": ["SegformerForSemanticSegmentation"]}
    config = LAYOUT.describe(settings, {}).config
    assert config.num_classes == 0
    names = dict.fromkeys(["segformer.encoder.layer_norm.0.weight", "decode_head.classifier.weight"])
    key_map = LAYOUT.map_keys(settings, config, names)
    assert list(key_map.ignored) == ["decode_head.classifier.weight"]
    assert all(name.startswith("segformer.encoder.") for entry in key_map.entries for name in entry.names)


@pytest.mark.parametrize(
    ("fields", "model_type", "class_name"),
    [
        (EPSILONS, "segformer", "SegformerForImageClassification"),
        ({**EPSILONS, "num_classes": 0}, "segformer", "SegformerModel"),
        ({**EPSILONS, "use_qkv_bias": False}, "pvt_v2", "PvtV2ForImageClassification"),
        ({**EPSILONS, "use_pooling": True, "num_classes": 0}, "pvt_v2", "PvtV2Model"),
        ({"embedding_norm_epsilon": 1e-6}, "pvt_v2", "PvtV2ForImageClassification"),
    ],
    ids=str,
)
def test_a_model_is_written_for_the_class_that_builds_it_and_read_back(fields, model_type, class_name):
    config = PyramidViTConfig(**{**TINY, **fields})
    settings, processor = TO_TRANSFORMERS.settings(config, None, PREPROCESSING)
    assert (settings["model_type"], settings["architectures"]) == (model_type, [class_name])
    assert LAYOUT.describe({**settings, "preprocessor": processor}, {}).config == config
    variables = {entry.variable for entry in TO_TRANSFORMERS.entries(config)}
    assert variables == set(PyramidViT(config).weights_by_path())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "embedding_norm_epsilon needs to equal norm_epsilon=1e-06; got 1e-05"),
        ({**EPSILONS, "pooling": "max"}, "pooling needs to be 'mean'; got 'max'"),
    ],
    ids=str,
)
def test_what_transformers_cannot_build_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        TO_TRANSFORMERS.settings(PyramidViTConfig(**{**TINY, **fields}), None, PREPROCESSING)
