"""Checkpoints of live transformers give the same outputs here, both ways, with every parameter randomised."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import checkpoints
from keras_vit.models import transformers_images
from keras_vit.models.vit.layouts import transformers_settings
from keras_vit.models.vit.layouts.transformers_layout import TO_TRANSFORMERS

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.parity

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
VIT = {**SIZES, "intermediate_size": 48}
DINOV2 = {**SIZES, "mlp_ratio": 2}
TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 20,
    "max_position_embeddings": 5,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DECODER = {
    "decoder_hidden_size": 16,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 4,
    "decoder_intermediate_size": 24,
}
PAIR = {"vision_config": VIT, "text_config": TEXT}
CLASSES = {"num_labels": 3}


def logits(model, images):
    return model(pixel_values=images).logits


def class_token(model, images):
    return model(pixel_values=images).last_hidden_state[:, 0]


def pooled(model, images):
    return model(pixel_values=images).pooler_output


def all_patches(model, images):
    """The encoder without hiding patches; ViTMAE would shuffle them otherwise."""
    noise = torch.arange(16.0)[None].repeat(len(images), 1)
    encoder = getattr(model, "vit", model)
    encoder.embeddings.config.mask_ratio = 0.0
    return encoder(images, noise=noise).last_hidden_state[:, 0]


def inner_class_token(model, images):
    return model.base_model(pixel_values=images).last_hidden_state[:, 0]


def mean_of_tokens(model, images):
    return model(pixel_values=images).last_hidden_state.mean(dim=1)


def mean_of_feature_map(model, images):
    return model(pixel_values=images).feature_maps[-1].mean(dim=(2, 3))


def image_embeds(model, images):
    if hasattr(model, "get_image_features"):
        return model.get_image_features(pixel_values=images).pooler_output
    return model(pixel_values=images).image_embeds


# Name -> (class, arguments of its config, what it returns).
MODELS = {
    "vit_classes": ("ViTForImageClassification", {**VIT, **CLASSES}, logits),
    "vit_two_classes": ("ViTForImageClassification", VIT, logits),
    "vit_settings": (
        "ViTForImageClassification",
        {
            **VIT,
            **CLASSES,
            "image_size": [32, 16],
            "patch_size": [8, 4],
            "num_channels": 1,
            "qkv_bias": False,
            "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-2,
        },
        logits,
    ),
    "vit_tanh": ("ViTForImageClassification", {**VIT, "hidden_act": "gelu_new"}, logits),
    "vit": ("ViTModel", VIT, class_token),
    "vit_masked": ("ViTForMaskedImageModeling", {**VIT, "encoder_stride": 8}, inner_class_token),
    "deit_classes": ("DeiTForImageClassification", {**VIT, **CLASSES}, logits),
    "deit_teacher": ("DeiTForImageClassificationWithTeacher", {**VIT, **CLASSES}, logits),
    "deit": ("DeiTModel", VIT, class_token),
    "deit_masked": ("DeiTForMaskedImageModeling", {**VIT, "encoder_stride": 8}, inner_class_token),
    "mae": ("ViTMAEModel", VIT, all_patches),
    "mae_pretraining": ("ViTMAEForPreTraining", {**VIT, **DECODER}, all_patches),
    "msn": ("ViTMSNModel", VIT, class_token),
    "msn_classes": ("ViTMSNForImageClassification", {**VIT, **CLASSES}, logits),
    "dinov2": ("Dinov2Model", DINOV2, pooled),
    "dinov2_gated": ("Dinov2Model", {**DINOV2, "mlp_ratio": 3, "use_swiglu_ffn": True}, pooled),
    "dinov2_classes": ("Dinov2ForImageClassification", {**DINOV2, **CLASSES}, logits),
    "dinov2_backbone": ("Dinov2Backbone", DINOV2, mean_of_feature_map),
    "registers": ("Dinov2WithRegistersModel", DINOV2, pooled),
    "registers_gated": (
        "Dinov2WithRegistersModel",
        {**DINOV2, "use_swiglu_ffn": True, "num_register_tokens": 2},
        pooled,
    ),
    "registers_classes": ("Dinov2WithRegistersForImageClassification", {**DINOV2, **CLASSES}, logits),
    "registers_backbone": ("Dinov2WithRegistersBackbone", DINOV2, mean_of_feature_map),
    "clip_vision": ("CLIPVisionModel", VIT, pooled),
    "clip_projection": ("CLIPVisionModelWithProjection", {**VIT, "projection_dim": 24}, image_embeds),
    "clip": ("CLIPModel", {**PAIR, "projection_dim": 24}, image_embeds),
    "clip_classes": ("CLIPForImageClassification", {**PAIR, **CLASSES}, logits),
    "siglip_vision": ("SiglipVisionModel", VIT, pooled),
    "siglip_with_remainder": ("SiglipVisionModel", {**VIT, "image_size": 37}, pooled),
    "siglip_without_head": ("SiglipVisionModel", {**VIT, "vision_use_head": False}, mean_of_tokens),
    "siglip": ("SiglipModel", PAIR, image_embeds),
    "siglip_classes": ("SiglipForImageClassification", {**PAIR, **CLASSES}, logits),
}
# Read with another pooling than the model itself has, since these return maps of patches.
POOLINGS = {"dinov2_backbone": "mean", "registers_backbone": "mean"}
# CLIP's projection has no bias, so a classifier of ours does not fit into it.
READ_ONLY = {"clip_projection", "clip"}


def build(name):
    """Returns a model of transformers with random weights, none of them at its usual start."""
    class_name, arguments, _ = MODELS[name]
    model_class = getattr(transformers, class_name)
    torch.manual_seed(0)
    model = model_class(model_class.config_class(**arguments)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def make_images(config) -> np.ndarray:
    shape = (2, *config.image_size, config.in_channels)
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def expected(name, model, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return MODELS[name][2](model, torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def assert_equal(ours, theirs) -> None:
    """Within 1e-4 of the largest value."""
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def write(model, folder) -> None:
    # Squashing is what processors can do at any image size.
    preprocessing = dataclasses.replace(model.preprocessing, crop_mode="squash")
    settings, processor = TO_TRANSFORMERS.settings(model.config, model.labels, preprocessing)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    tensors = checkpoints.collect(model.weights_by_path(), TO_TRANSFORMERS.entries(model.config))
    checkpoints.write(folder / "model.safetensors", tensors)


def load_into(auto_class, folder):
    """Returns the model that transformers makes of a folder, and what was missing or left over."""
    model, account = auto_class.from_pretrained(folder, output_loading_info=True)
    differences = {*account["missing_keys"], *account["unexpected_keys"], *map(str, account["mismatched_keys"])}
    return model.eval(), differences


@pytest.mark.parametrize("is_original", [True, False], ids=["names_of_files", "names_in_memory"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_transformers(name, is_original, tmp_path):
    theirs = build(name)
    theirs.save_pretrained(tmp_path, save_original_format=is_original)

    ours = keras_vit.ViT.from_preset(tmp_path, pooling=POOLINGS.get(name))

    images = make_images(ours.config)
    assert_equal(ours.predict(images, verbose=0), expected(name, theirs, images))


@pytest.mark.parametrize("name", ["vit", "deit", "msn", "dinov2", "registers", "siglip_vision"])
def test_tokens_are_those_of_transformers(name, tmp_path):
    theirs = build(name)
    theirs.save_pretrained(tmp_path)

    ours = keras_vit.ViT.from_preset(tmp_path)

    images = make_images(ours.config)
    with torch.no_grad():
        tokens = theirs(pixel_values=torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).last_hidden_state
    assert_equal(keras.ops.convert_to_numpy(ours.features(images)), tokens.numpy())


@pytest.mark.parametrize("name", [name for name in MODELS if name not in READ_ONLY])
def test_what_was_read_is_written_back_with_equal_outputs(name, tmp_path):
    source = build(name)
    source.save_pretrained(tmp_path / "theirs")
    ours = keras_vit.ViT.from_preset(tmp_path / "theirs")

    write(ours, tmp_path / "ours")

    auto_class = transformers.AutoModelForImageClassification if ours.config.num_classes else transformers.AutoModel
    returned, differences = load_into(auto_class, tmp_path / "ours")
    # Nothing of ours is a mask token, a pooler, or the norm that CLIP's classifier does not use.
    assert all(any(part in key for part in ("mask_token", "pooler.", "post_layernorm.")) for key in differences)
    images = make_images(ours.config)
    with torch.no_grad():
        output = returned(pixel_values=torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    predicted = ours.predict(images, verbose=0)
    if ours.config.num_classes:
        assert_equal(predicted, output.logits.numpy())
    elif ours.config.pooling == "mean":
        assert_equal(predicted, output.last_hidden_state.mean(dim=1).numpy())
    elif ours.config.use_embedding_norm or ours.config.pooling == "attention":
        assert_equal(predicted, output.pooler_output.numpy())
    else:
        assert_equal(predicted, output.last_hidden_state[:, 0].numpy())


@pytest.mark.parametrize("name", ["vit_classes", "dinov2_classes", "clip_classes", "siglip_classes"])
def test_class_names_go_both_ways(name, tmp_path):
    theirs = build(name)
    theirs.config.id2label = {0: "cat", 1: "dog", 2: "cow"}
    theirs.save_pretrained(tmp_path / "theirs")

    ours = keras_vit.ViT.from_preset(tmp_path / "theirs")
    write(ours, tmp_path / "ours")

    assert ours.labels == ("cat", "dog", "cow")
    returned = transformers.AutoConfig.from_pretrained(tmp_path / "ours")
    assert returned.id2label == {0: "cat", 1: "dog", 2: "cow"}
    assert returned.label2id == {"cat": 0, "dog": 1, "cow": 2}


@pytest.mark.parametrize("model_type", transformers_settings.DEFAULTS)
def test_settings_that_files_leave_out_are_those_of_transformers(model_type):
    config = transformers.CONFIG_MAPPING[model_type]()
    defaults = dict(transformers_settings.DEFAULTS[model_type])
    if model_type in ("clip", "siglip"):
        if model_type == "clip":
            assert defaults.pop("projection_dim") == config.projection_dim
        config = config.vision_config
    assert defaults == {name: getattr(config, name) for name in defaults}


@pytest.mark.parametrize("kind", transformers_images.DEFAULTS)
def test_processor_settings_that_files_leave_out_are_those_of_transformers(kind):
    processor = getattr(transformers, f"{kind}ImageProcessor")
    defaults = dict(transformers_images.DEFAULTS[kind])
    assert defaults.pop("is_square") == processor.default_to_square
    crop_size, is_cropped = defaults.pop("crop_size"), defaults.pop("do_center_crop")
    assert is_cropped == bool(getattr(processor, "do_center_crop", None))
    if is_cropped:
        assert processor.crop_size == {"height": crop_size, "width": crop_size}
    assert defaults == {name: getattr(processor, name) for name in defaults}


PROCESSORS = {
    "vit": ("ViTImageProcessor", {"size": {"height": 48, "width": 48}}),
    "vit_one_number": ("ViTImageProcessor", {"size": 48, "resample": 3}),
    "deit": ("DeiTImageProcessor", {"size": {"height": 54, "width": 54}, "crop_size": {"height": 48, "width": 48}}),
    "clip": ("CLIPImageProcessor", {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}),
    "clip_one_number": ("CLIPImageProcessor", {"size": 60, "crop_size": 48}),
    "dinov2": ("BitImageProcessor", {"size": {"shortest_edge": 56}, "crop_size": {"height": 48, "width": 48}}),
    "siglip": ("SiglipImageProcessor", {"size": {"height": 48, "width": 48}}),
    "not_rescaled": ("ViTImageProcessor", {"size": 48, "do_rescale": False, "image_mean": [99.0] * 3}),
    "not_normalised": ("ViTImageProcessor", {"size": 48, "do_normalize": False}),
}


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    from sklearn.datasets import load_sample_image

    return load_sample_image("china.jpg")[:360, 40:]


def pixels_of(processor, photograph) -> np.ndarray:
    return np.asarray(processor(photograph, return_tensors="np")["pixel_values"][0]).transpose(1, 2, 0)


@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_are_those_of_an_image_processor(name, photograph):
    class_name, arguments = PROCESSORS[name]
    processor = getattr(transformers, f"{class_name}Pil")(**arguments)
    settings = {**json.loads(processor.to_json_string()), "image_processor_type": class_name}
    config = keras_vit.ViTConfig(image_size=48)

    fields = transformers_images.preprocessing_of(settings, "ViT", config)

    preprocessing = keras_vit.Preprocessing(**fields)
    ours, theirs = preprocessing([photograph])[0], pixels_of(processor, photograph)
    # One grey level of 255: their resizing rounds to whole levels as well.
    assert np.abs(ours - theirs).mean() * np.mean(preprocessing.std) < 1 / 255


@pytest.mark.parametrize("crop_mode", ["squash", "center"])
@pytest.mark.parametrize("crop_fraction", [1.0, 0.875, 0.9])
def test_an_image_processor_makes_the_pixels_that_preprocessing_makes(crop_mode, crop_fraction, photograph):
    preprocessing = keras_vit.Preprocessing(
        image_size=48, crop_mode=crop_mode, crop_fraction=crop_fraction, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)
    )

    settings = transformers_images.processor_settings(preprocessing)

    processor = getattr(transformers, f"{settings['image_processor_type']}Pil")(**settings)
    ours, theirs = preprocessing([photograph])[0], pixels_of(processor, photograph)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() * 0.3 < 1 / 255
