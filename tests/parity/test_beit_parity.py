"""BEiT against live timm and transformers: read with equal outputs, at other image sizes too, and written back."""

import dataclasses
import gc
import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.models.beit import presets
from keras_vit.models.beit.layouts import transformers_settings
from keras_vit.models.preset_folder import save_for_transformers
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

CUT = {"depth": 2}  # of full width and image size

SOME = ["beit_base_patch16_224", "beitv2_base_patch16_224"]
CHOSEN = of_each_kind(presets.TABLES.architectures(), SOME)


@pytest.fixture(autouse=True)
def free_memory():
    yield
    keras.backend.clear_session()
    gc.collect()


# timm.


@pytest.mark.parametrize("architecture", CHOSEN)
def test_outputs_are_those_of_timm_both_ways(architecture, tmp_path):
    theirs = make_timm_model(architecture, **CUT)
    save_timm_model(theirs, tmp_path / "theirs", CUT)
    images = make_images(theirs.patch_embed.img_size)
    expected = outputs_of_timm(theirs, images)

    ours = keras_vit.BEiT.from_preset(tmp_path / "theirs")

    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)
    ours.save_to_preset(tmp_path / "ours")
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


# Larger, smaller, and wider than high.
@pytest.mark.filterwarnings("ignore:torch.searchsorted:UserWarning", "ignore:Using a non-tuple:UserWarning")  # timm's
@pytest.mark.parametrize("size", [(384, 384), (96, 96), (64, 320)], ids=str)
def test_another_image_size_is_that_of_timm(size, tmp_path):
    theirs = make_timm_model("beit_base_patch16_224", **CUT)
    save_timm_model(theirs, tmp_path / "theirs", CUT)
    theirs = timm.create_model(f"local-dir:{tmp_path / 'theirs'}", pretrained=True, img_size=size).eval()

    ours = keras_vit.BEiT.from_preset(tmp_path / "theirs", image_size=size)

    images = make_images(size)
    for each, other in zip(outputs_of(ours, images), outputs_of_timm(theirs, images), strict=True):
        assert_close(each, other)


SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}


@pytest.mark.parametrize(
    "arguments",
    [
        {"use_rel_pos_bias": False, "use_shared_rel_pos_bias": True},
        {"use_rel_pos_bias": False, "use_abs_pos_emb": True},
        {"use_abs_pos_emb": True, "init_values": 0.0},
        {"global_pool": "token"},
        {"global_pool": "token", "use_fc_norm": True},
        {"global_pool": "avg", "use_fc_norm": False, "mlp_ratio": 2.7},
        {"global_pool": ""},
        {"img_size": (32, 48), "in_chans": 1},
    ],
    ids=str,
)
def test_every_argument_is_read_and_written_back(arguments, tmp_path):
    arguments = {**SMALL, **arguments}
    theirs = make_timm_model("beit_base_patch16_224", **arguments)
    save_timm_model(theirs, tmp_path / "theirs", arguments)
    images = make_images(theirs.patch_embed.img_size)[..., : arguments.get("in_chans", 3)]
    expected = outputs_of_timm(theirs, images)

    ours = keras_vit.BEiT.from_preset(tmp_path / "theirs")

    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)
    ours.save_to_preset(tmp_path / "ours")
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


# transformers.

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
OWN, SHARED = {"use_relative_position_bias": True}, {"use_shared_relative_position_bias": True}
POSITIONS = {"use_absolute_position_embeddings": True}
CLASSES = {"num_labels": 3}


def logits(model, images):
    return model(pixel_values=images).logits


def pooled(model, images):
    return model(pixel_values=images).pooler_output


def mean_of_normalised_tokens(model, images):
    tokens = model.layernorm(model.beit(pixel_values=images).last_hidden_state)
    return tokens[:, 1:].mean(dim=1)


def normalised_mean(model, images):
    mean = model(pixel_values=images).last_hidden_state[:, 1:].mean(dim=1)
    return torch.nn.functional.layer_norm(mean, mean.shape[-1:], eps=1e-12)


# Name -> (class, arguments of its config, what it returns).
MODELS = {
    "classes": ("BeitForImageClassification", {**OWN, **CLASSES}, logits),
    "shared_classes": ("BeitForImageClassification", {**SHARED, **CLASSES}, logits),
    "document_classes": ("BeitForImageClassification", {**POSITIONS, **CLASSES}, logits),
    "class_token": ("BeitForImageClassification", {**OWN, **CLASSES, "use_mean_pooling": False}, logits),
    "without_scale": ("BeitForImageClassification", {**OWN, "layer_scale_init_value": 0.0, "num_channels": 1}, logits),
    "epsilon": ("BeitForImageClassification", {**OWN, **POSITIONS, "layer_norm_eps": 1e-2}, logits),
    "pooled": ("BeitModel", {**OWN, "use_mask_token": True}, pooled),
    "pooled_class_token": ("BeitModel", {**OWN, "use_mean_pooling": False}, pooled),
    "masked": ("BeitForMaskedImageModeling", {**SHARED, "use_mask_token": True}, mean_of_normalised_tokens),
    "data2vec_classes": ("Data2VecVisionForImageClassification", {**OWN, **CLASSES}, logits),
    "data2vec": ("Data2VecVisionModel", SHARED, normalised_mean),
}
# What we write is a BeitModel or BeitForImageClassification, whose norm comes after the mean.
READ_ONLY = {"masked"}


def build(name):
    """Returns a model of transformers with random weights, none of them at its usual start."""
    class_name, arguments, _ = MODELS[name]
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**{**SIZES, **arguments})).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def outputs_of_transformers(name, model, images):
    with torch.no_grad():
        return MODELS[name][2](model, torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))


@pytest.mark.parametrize("is_original", [True, False], ids=["names_of_files", "names_in_memory"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_transformers(name, is_original, tmp_path):
    theirs = build(name)
    theirs.save_pretrained(tmp_path, save_original_format=is_original)

    ours = keras_vit.BEiT.from_preset(tmp_path)

    images = make_images((32, 32))[..., : ours.config.in_channels]
    assert_close(ours(images), outputs_of_transformers(name, theirs, images))


@pytest.mark.parametrize("name", [name for name in MODELS if name not in READ_ONLY])
def test_what_was_read_is_written_back_with_equal_outputs(name, tmp_path):
    build(name).save_pretrained(tmp_path / "theirs")
    ours = keras_vit.BEiT.from_preset(tmp_path / "theirs")
    # Squashing is what processors can do at any image size.
    ours.preprocessing = dataclasses.replace(ours.preprocessing, crop_mode="squash")
    images = make_images((32, 32))[..., : ours.config.in_channels]

    save_for_transformers(ours, tmp_path / "ours")

    auto_class = transformers.AutoModelForImageClassification if ours.config.num_classes else transformers.AutoModel
    again, account = auto_class.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(account[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    returned = again.eval()(pixel_values=torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    theirs = returned.logits if ours.config.num_classes else returned.pooler_output
    assert_close(ours(images), theirs.detach())
    assert keras_vit.from_preset(tmp_path / "ours").config == ours.config


@pytest.mark.parametrize("model_type", transformers_settings.PREFIXES)
def test_settings_that_files_leave_out_are_those_of_transformers(model_type):
    config = transformers.CONFIG_MAPPING[model_type]()
    defaults = transformers_settings.DEFAULTS
    assert defaults == {name: getattr(config, name) for name in defaults}


def test_an_image_processor_is_read(tmp_path):
    build("classes").save_pretrained(tmp_path)
    processor = transformers.BeitImageProcessorPil(size={"height": 32, "width": 32}, image_mean=[0.1, 0.2, 0.3])
    settings = {**processor.to_dict(), "image_processor_type": "BeitImageProcessor"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))

    preprocessing = keras_vit.from_preset(tmp_path).preprocessing

    assert preprocessing.image_size == (32, 32)
    assert (preprocessing.interpolation, preprocessing.crop_mode) == ("bicubic", "squash")
    np.testing.assert_allclose(preprocessing.mean, [0.1, 0.2, 0.3])
