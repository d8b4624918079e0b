"""PyramidViT against live timm and transformers: read with equal outputs, at other image sizes too, and back."""

import dataclasses
import gc
import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.models import catalogue, preset_folder
from keras_vit.models.pyramid_vit import presets
from keras_vit.models.pyramid_vit.layouts import transformers_settings
from tests.parity.timm_models import (
    assert_close,
    make_images,
    make_timm_model,
    outputs_of,
    outputs_of_timm,
    save_timm_model,
    timm,
    torch,
)
from tests.sampling import of_each_kind

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.parity

CUT = {"depths": (1, 1, 2, 1)}  # of full width and image size
SOME = ["pvt_v2_b0", "pvt_v2_b2_li"]
CHOSEN = of_each_kind(presets.TABLES.architectures(), SOME)


@pytest.fixture(autouse=True)
def free_memory():
    yield
    keras.backend.clear_session()
    gc.collect()


def assert_outputs(ours, theirs, images) -> None:
    """Equal features, which timm has channels first, and logits."""
    features, logits = outputs_of_timm(theirs, images)
    our_features, our_logits = outputs_of(ours, images)
    assert_close(our_features, features.permute(0, 2, 3, 1))
    assert_close(our_logits, logits)


# timm.


@pytest.mark.parametrize("architecture", CHOSEN)
def test_outputs_are_those_of_timm_both_ways(architecture, tmp_path):
    theirs = make_timm_model(architecture, **CUT)
    save_timm_model(theirs, tmp_path / "theirs", CUT)
    images = make_images((224, 224))

    ours = keras_vit.PyramidViT.from_preset(tmp_path / "theirs")

    assert_outputs(ours, theirs, images)
    ours.save_to_preset(tmp_path / "ours")
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_outputs(ours, again, images)


def test_full_depth_gives_the_outputs_of_timm(tmp_path):
    theirs = make_timm_model("pvt_v2_b0")
    save_timm_model(theirs, tmp_path, {})
    assert_outputs(keras_vit.PyramidViT.from_preset(tmp_path), theirs, make_images((224, 224)))


# Larger, no multiple of 32, wider than high; fewer patches than means.
@pytest.mark.parametrize("size", [(256, 256), (230, 150), (64, 320), (33, 40)], ids=str)
@pytest.mark.parametrize("architecture", SOME)
def test_another_image_size_is_that_of_timm(architecture, size, tmp_path):
    theirs = make_timm_model(architecture, **CUT)
    save_timm_model(theirs, tmp_path, CUT)
    images = make_images(size)
    for image_size in (size, None):
        ours = keras_vit.PyramidViT.from_preset(tmp_path, image_size=image_size)
        assert_outputs(ours, theirs, images)


def test_maps_of_each_stride_are_those_of_timm(tmp_path):
    theirs = make_timm_model("pvt_v2_b0")
    save_timm_model(theirs, tmp_path, {})
    images = make_images((96, 64))
    with torch.no_grad():
        expected = theirs.forward_intermediates(
            torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), intermediates_only=True
        )

    ours = keras_vit.PyramidViT.from_preset(tmp_path, image_size=(96, 64))

    layers = ours.pyramid_layers(ours.config)
    assert list(layers) == [info["reduction"] for info in theirs.feature_info] == [4, 8, 16, 32]
    for maps, wanted in zip(ours.features(images, layers=list(layers.values())), expected, strict=True):
        assert_close(maps, wanted.permute(0, 2, 3, 1))


SMALL = {"embed_dims": (8, 16), "depths": (1, 2), "num_heads": (1, 2), "mlp_ratios": (2.0, 2.0), "sr_ratios": (2, 1)}


@pytest.mark.parametrize(
    "arguments",
    [
        {"qkv_bias": False},
        {"linear": True, "qkv_bias": False},
        {"in_chans": 1},
        {"mlp_ratios": 2.7, "num_heads": 2, "sr_ratios": 3},
    ],
    ids=str,
)
def test_every_argument_is_read_and_written_back(arguments, tmp_path):
    arguments = {**SMALL, **arguments}
    theirs = make_timm_model("pvt_v2_b2", **arguments)
    save_timm_model(theirs, tmp_path / "theirs", arguments)
    images = make_images((32, 48))[..., : arguments.get("in_chans", 3)]

    ours = keras_vit.PyramidViT.from_preset(tmp_path / "theirs", image_size=(32, 48))

    assert_outputs(ours, theirs, images)
    ours.save_to_preset(tmp_path / "ours")
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_outputs(ours, again, images)


# transformers.

SIZES = {
    "depths": [1, 2],
    "hidden_sizes": [8, 16],
    "num_attention_heads": [1, 2],
    "mlp_ratios": [2, 3],
    "sr_ratios": [2, 1],
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "num_encoder_blocks": 2,
}
CLASSES = {"num_labels": 3}
SEGFORMER = {**SIZES, "decoder_hidden_size": 8}

# Name -> (class, arguments of its config).
MODELS = {
    "pvt_classes": ("PvtV2ForImageClassification", {**SIZES, **CLASSES}),
    "pvt_pooled": ("PvtV2ForImageClassification", {**SIZES, "linear_attention": True, "num_channels": 1}),
    "pvt": ("PvtV2Model", {**SIZES, "qkv_bias": False, "layer_norm_eps": 1e-2, "hidden_act": "silu"}),
    "pvt_backbone": ("PvtV2Backbone", SIZES),
    "segformer_classes": ("SegformerForImageClassification", {**SEGFORMER, **CLASSES}),
    "segformer_tokens": ("SegformerForImageClassification", {**SEGFORMER, **CLASSES, "reshape_last_stage": False}),
    "segformer": ("SegformerModel", {**SEGFORMER, "hidden_act": "gelu_new"}),
    "segformer_decoder": ("SegformerForSemanticSegmentation", {**SEGFORMER, **CLASSES}),
}


def build(name):
    """Returns a model of transformers with random weights, none of them at its usual start."""
    class_name, arguments = MODELS[name]
    model_class = getattr(transformers, class_name)
    torch.manual_seed(0)
    model = model_class(model_class.config_class(**arguments)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def write_processor(folder, size, num_channels) -> None:
    settings = {
        "image_processor_type": "SegformerImageProcessor",
        "size": {"height": size[0], "width": size[1]},
        "image_mean": [0.5] * num_channels,
        "image_std": [0.5] * num_channels,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def returned_by(model, images):
    """The logits of a classifier; the last map of all others, channels last."""
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        if hasattr(model, "classifier"):
            return model(pixel_values=pixels).logits
        if hasattr(model, "decode_head"):
            model = model.segformer
        if type(model).__name__.endswith("Backbone"):
            return model(pixel_values=pixels).feature_maps[-1].permute(0, 2, 3, 1)
        return model(pixel_values=pixels).last_hidden_state.permute(0, 2, 3, 1)


@pytest.mark.parametrize("is_original", [True, False], ids=["names_of_files", "names_in_memory"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_transformers(name, is_original, tmp_path):
    theirs = build(name)
    theirs.save_pretrained(tmp_path, save_original_format=is_original)
    write_processor(tmp_path, (32, 48), theirs.config.num_channels)

    ours = keras_vit.PyramidViT.from_preset(tmp_path)

    assert ours.config.image_size == (32, 48)
    images = make_images((32, 48))[..., : ours.config.in_channels]
    outputs = ours(images) if ours.config.num_classes else ours.features(images)
    assert_close(outputs, returned_by(theirs, images))
    assert bool(ours.load_report.ignored) == (name == "segformer_decoder")


def segformer_of(size):
    """Returns transformers' classifier with the settings that the catalogue has for a size of MiT."""
    settings = dict(catalogue.find(f"mit_{size}").read_settings())
    for name in ("model_type", "architectures", "preprocessor"):
        del settings[name]
    return transformers.SegformerForImageClassification(transformers.SegformerConfig(**settings))


@pytest.mark.parametrize("size", ["b0", "b1", "b2", "b3", "b4", "b5"])
def test_sizes_of_mit_have_as_many_parameters_as_in_transformers(size):
    with torch.device("meta"):
        theirs = segformer_of(size)
    assert catalogue.find(f"mit_{size}").parameters == sum(each.numel() for each in theirs.parameters())


def test_mit_from_a_repository_that_transformers_wrote(hub_server, tmp_path):
    theirs = segformer_of("b0").eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    theirs.save_pretrained(tmp_path)
    transformers.SegformerImageProcessorPil().save_pretrained(tmp_path)  # for the 512 pixels of segmentation
    hub_server.add("nvidia/mit-b0", tmp_path)

    ours = keras_vit.from_preset("mit_b0", revision="main", endpoint=hub_server.endpoint)

    assert ours.config.image_size == (224, 224)
    assert ours.labels[0] == "tench, Tinca tinca"
    images = make_images((224, 224))
    assert_close(ours(images), returned_by(theirs, images))


@pytest.mark.parametrize("name", ["pvt_classes", "pvt_pooled", "pvt", "segformer_classes", "segformer"])
def test_what_was_read_is_written_back_with_equal_outputs(name, tmp_path):
    theirs = build(name)
    theirs.config.id2label = {index: f"class {index}" for index in range(theirs.config.num_labels)}
    theirs.save_pretrained(tmp_path / "theirs")
    ours = keras_vit.PyramidViT.from_preset(tmp_path / "theirs", image_size=(32, 48))
    ours.preprocessing = dataclasses.replace(ours.preprocessing, crop_mode="squash")

    folder = preset_folder.save_for_transformers(ours, tmp_path / "ours")

    auto_class = transformers.AutoModelForImageClassification if ours.config.num_classes else transformers.AutoModel
    again, account = auto_class.from_pretrained(folder, output_loading_info=True)
    assert not any(account[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert type(again) is type(theirs)
    images = make_images((32, 48))[..., : ours.config.in_channels]
    assert_close(ours(images) if ours.config.num_classes else ours.features(images), returned_by(again.eval(), images))
    if ours.config.num_classes:
        assert again.config.id2label == theirs.config.id2label


@pytest.mark.parametrize("model_type", transformers_settings.DEFAULTS)
def test_settings_that_files_leave_out_are_those_of_transformers(model_type):
    config = transformers.CONFIG_MAPPING[model_type]()
    defaults = dict(transformers_settings.DEFAULTS[model_type])
    size = defaults.pop("image_size")
    assert getattr(config, "image_size", (224, 224)) == (size, size)  # SegFormer's is in older files only
    for name, default in defaults.items():
        theirs = getattr(config, name)
        assert default == (list(theirs) if isinstance(theirs, tuple) else theirs), name


@pytest.mark.parametrize("model_type", transformers_settings.USUAL_PROCESSORS)
def test_the_usual_processor_is_that_of_transformers(model_type):
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    kinds = np.ravel(list(dict(IMAGE_PROCESSOR_MAPPING_NAMES[model_type]).values()))
    assert f"{transformers_settings.USUAL_PROCESSORS[model_type]}ImageProcessor" in kinds
