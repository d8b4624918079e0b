"""transformers' layout: names, settings and processors as its files have them, and clear errors for all others."""

import json

import keras
import numpy as np
import pytest

from keras_vit import Preprocessing, ViT, ViTConfig, checkpoints
from keras_vit.models.transformers_images import preprocessing_of, processor_settings
from keras_vit.models.vit.layouts.transformers_layout import LAYOUT, TO_TRANSFORMERS
from tests.models.vit.configs import TINY

SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 8,
    "patch_size": 4,
}
VIT = {"model_type": "vit", "architectures": ["ViTForImageClassification"], **SIZES}
DINOV2 = {"model_type": "dinov2", "architectures": ["Dinov2Model"], **SIZES, "mlp_ratio": 2}
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 8, "width": 8},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
}

# By hand, from transformers' ViTForImageClassification with SIZES, saved in its usual spelling.
VIT_SHAPES = {
    "vit.embeddings.cls_token": (1, 1, 8),
    "vit.embeddings.position_embeddings": (1, 5, 8),
    "vit.embeddings.patch_embeddings.projection.weight": (8, 3, 4, 4),
    "vit.embeddings.patch_embeddings.projection.bias": (8,),
    "vit.encoder.layer.0.layernorm_before.weight": (8,),
    "vit.encoder.layer.0.layernorm_before.bias": (8,),
    "vit.encoder.layer.0.attention.attention.query.weight": (8, 8),
    "vit.encoder.layer.0.attention.attention.query.bias": (8,),
    "vit.encoder.layer.0.attention.attention.key.weight": (8, 8),
    "vit.encoder.layer.0.attention.attention.key.bias": (8,),
    "vit.encoder.layer.0.attention.attention.value.weight": (8, 8),
    "vit.encoder.layer.0.attention.attention.value.bias": (8,),
    "vit.encoder.layer.0.attention.output.dense.weight": (8, 8),
    "vit.encoder.layer.0.attention.output.dense.bias": (8,),
    "vit.encoder.layer.0.layernorm_after.weight": (8,),
    "vit.encoder.layer.0.layernorm_after.bias": (8,),
    "vit.encoder.layer.0.intermediate.dense.weight": (16, 8),
    "vit.encoder.layer.0.intermediate.dense.bias": (16,),
    "vit.encoder.layer.0.output.dense.weight": (8, 16),
    "vit.encoder.layer.0.output.dense.bias": (8,),
    "vit.layernorm.weight": (8,),
    "vit.layernorm.bias": (8,),
    "classifier.weight": (2, 8),
    "classifier.bias": (2,),
}


@pytest.fixture
def tensors(rng) -> dict[str, np.ndarray]:
    return {name: rng.normal(size=shape).astype("float32") for name, shape in VIT_SHAPES.items()}


def load(settings, tensors):
    config = LAYOUT.describe(settings, {}).config
    model, key_map = ViT(config), LAYOUT.map_keys(settings, config, tensors)
    model.load_report = checkpoints.assign(
        model.weights_by_path(),
        key_map.entries,
        tensors,
        source="test",
        new=key_map.zeros,
        ignored=key_map.ignored,
    )
    return model


def weight(model, path) -> np.ndarray:
    return keras.ops.convert_to_numpy(model.weights_by_path()[path])


def test_every_tensor_finds_its_variable(tensors):
    model = load(VIT, tensors)

    layer = "vit.encoder.layer.0"
    qkv = [tensors[f"{layer}.attention.attention.{name}.weight"].T for name in ("query", "key", "value")]
    np.testing.assert_array_equal(weight(model, "encoder_0/attention/qkv/kernel"), np.concatenate(qkv, axis=1))
    expanded = tensors[f"{layer}.intermediate.dense.weight"].T
    np.testing.assert_array_equal(weight(model, "encoder_0/mlp/expand/kernel"), expanded)
    before = tensors[f"{layer}.layernorm_before.weight"]
    np.testing.assert_array_equal(weight(model, "encoder_0/attention_norm/gamma"), before)


def test_the_class_token_takes_its_position_with_it(tensors):
    model = load(VIT, tensors)

    positions = tensors["vit.embeddings.position_embeddings"][0]
    token = tensors["vit.embeddings.cls_token"][0] + positions[:1]
    np.testing.assert_allclose(weight(model, "prefix_tokens/class_token"), token, rtol=1e-6)
    np.testing.assert_array_equal(weight(model, "positional_encoding/table"), positions[1:].reshape(2, 2, 8))


def test_base_models_have_names_without_a_prefix(tensors):
    bare = {name.removeprefix("vit."): array for name, array in tensors.items() if not name.startswith("classifier")}
    bare["pooler.dense.weight"] = bare["pooler.dense.bias"] = bare["embeddings.mask_token"] = np.zeros(8, "float32")

    model = load({**VIT, "architectures": ["ViTModel"]}, bare)

    assert model.config.num_classes == 0
    assert set(model.load_report.ignored) == {"pooler.dense.weight", "pooler.dense.bias", "embeddings.mask_token"}


def test_layers_may_lack_the_prefix_of_all_else(tensors):
    # So does transformers 5 write ViT-MSN's classifier.
    mixed = {name.replace("vit.encoder", "encoder"): array for name, array in tensors.items()}
    settings = {**VIT, "model_type": "vit_msn", "architectures": ["ViTMSNForImageClassification"]}

    model = load(settings, mixed)

    expected = mixed["encoder.layer.0.output.dense.bias"]
    np.testing.assert_array_equal(weight(model, "encoder_0/mlp/contract/bias"), expected)


@pytest.mark.parametrize("name", ["classifier.weight", "vit.encoder.layer.0.attention.attention.key.bias"])
def test_a_renamed_tensor_is_told_on_both_sides(name, tensors):
    tensors["other"] = tensors.pop(name)

    with pytest.raises(checkpoints.CheckpointError) as error:
        load(VIT, tensors)

    assert f"- in the model, not in the file: {name}" in str(error.value)
    assert "+ in the file, not in the model: other" in str(error.value)


def test_settings_that_a_file_leaves_out_are_those_of_a_base_model():
    config = LAYOUT.describe({"model_type": "vit", "architectures": ["ViTModel"]}, {}).config
    assert config == ViTConfig(num_classes=0, norm_epsilon=1e-12)


def test_epsilon_activation_and_biases_are_read():
    changed = {"layer_norm_eps": 1e-5, "hidden_act": "gelu_new", "qkv_bias": False, "hidden_dropout_prob": 0.1}
    config = LAYOUT.describe({**VIT, **changed}, {}).config
    assert (config.norm_epsilon, config.activation, config.use_qkv_bias) == (1e-5, "gelu_tanh", False)
    assert config.dropout_rate == 0.1


def test_class_names_come_in_the_order_of_their_numbers():
    names = {str(number): f"class {number}" for number in (10, 2, 1, 0, 3, 4, 5, 6, 7, 8, 9)}
    description = LAYOUT.describe({**VIT, "id2label": names}, {})
    assert description.config.num_classes == 11
    assert description.labels == tuple(f"class {number}" for number in range(11))


def test_numbered_labels_are_no_names():
    description = LAYOUT.describe({**VIT, "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}, {})
    assert description.config.num_classes == 3
    assert description.labels is None


def test_pixels_that_patches_do_not_cover_are_left_out():
    # As transformers' convolution does; SigLIP has 384 pixels and patches of 14.
    config = LAYOUT.describe({**VIT, "image_size": 384, "patch_size": 14}, {}).config
    assert (config.image_size, config.grid_size, config.drop_remainder) == ((384, 384), (27, 27), True)


def test_gated_width_is_two_thirds_in_steps_of_eight():
    config = LAYOUT.describe({**DINOV2, "hidden_size": 1536, "mlp_ratio": 4, "use_swiglu_ffn": True}, {}).config
    assert (config.mlp, config.mlp_dim) == ("swiglu", 4096)  # of DINOv2's giant


def test_deit_without_a_teacher_has_a_token_that_no_head_reads():
    config = LAYOUT.describe({**VIT, "model_type": "deit", "architectures": ["DeiTForImageClassification"]}, {}).config
    assert (config.num_register_tokens, config.use_distillation_token) == (1, False)


def test_clip_settings_lie_in_a_section_of_their_own():
    settings = {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": 24,
        "vision_config": SIZES,
        "text_config": {"hidden_size": 99},
    }
    config = LAYOUT.describe(settings, {}).config
    assert (config.embed_dim, config.num_classes, config.activation) == (8, 24, "quick_gelu")
    assert LAYOUT.describe({**settings, "vision_config_dict": {**SIZES, "hidden_size": 16}}, {}).config.embed_dim == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": "8"}, "hidden_size needs a whole number >= 1; got '8'"),
        ({"qkv_bias": 1}, "qkv_bias needs true or false; got 1"),
        ({"image_size": [8, 8, 8]}, r"image_size needs one or two whole numbers > 0; got \[8, 8, 8\]"),
        ({"layer_norm_eps": None}, "layer_norm_eps needs a number >= 0; got None"),
        ({"hidden_act": "relu"}, "hidden_act='relu'"),
        ({"num_attention_heads": 3}, "num_heads needs to divide embed_dim=8; got 3"),
        ({"architectures": ["ViTForRegression"]}, "got 'ViTForRegression'"),
        ({"id2label": {"0": "cat", "2": "dog"}}, "without a gap"),
        ({"id2label": ["cat", "dog"]}, "without a gap"),
        ({"num_labels": "3"}, "num_classes needs a whole number"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        LAYOUT.describe({**VIT, **changes}, {})


@pytest.mark.parametrize("settings", [{}, {"model_type": "swin"}, {"model_type": ["vit"]}, {"architecture": "vit"}])
def test_files_of_others_are_not_recognised(settings):
    assert not LAYOUT.recognises(settings, ())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("squash", 1.0, "bilinear", (0.5,) * 3)),
        ({"size": 8, "resample": 3}, ("squash", 1.0, "bicubic", (0.5,) * 3)),
        ({"size": 10, "do_center_crop": True, "crop_size": 8}, ("squash", 0.8, "bilinear", (0.5,) * 3)),
        (
            {"size": {"shortest_edge": 16}, "do_center_crop": True, "crop_size": 8},
            ("center", 0.5, "bilinear", (0.5,) * 3),
        ),
        ({"size": {"shortest_edge": 8}}, ("center", 1.0, "bilinear", (0.5,) * 3)),
        ({"do_normalize": False}, ("squash", 1.0, "bilinear", (0.0,))),
        ({"do_rescale": False, "image_mean": [51.0, 102.0, 153.0]}, ("squash", 1.0, "bilinear", (0.2, 0.4, 0.6))),
    ],
)
def test_processors_become_preprocessing(changes, expected):
    fields = preprocessing_of({**PROCESSOR, **changes}, "ViT", ViTConfig(image_size=8, patch_size=4))
    preprocessing = Preprocessing(**fields)
    assert (
        preprocessing.crop_mode,
        preprocessing.crop_fraction,
        preprocessing.interpolation,
        preprocessing.mean,
    ) == expected


def test_a_processor_for_another_size_keeps_its_proportions():
    # DINOv2 is stored for 518 pixels, beside a processor for 224.
    processor = {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "crop_size": 224}
    settings = {**DINOV2, "image_size": 518, "patch_size": 14, "preprocessor": processor}
    preprocessing = Preprocessing(**LAYOUT.describe(settings, {}).preprocessing)
    assert (preprocessing.image_size, preprocessing.crop_fraction) == ((518, 518), 0.875)


def test_old_feature_extractors_have_the_defaults_of_their_kind():
    fields = preprocessing_of({"feature_extractor_type": "CLIPFeatureExtractor"}, "CLIP", ViTConfig())
    assert (fields["crop_mode"], fields["crop_fraction"], fields["interpolation"]) == ("center", 1.0, "bicubic")
    assert fields["mean"] == (0.48145466, 0.4578275, 0.40821073)


@pytest.mark.parametrize("side", [232, 235, 238, 246, 248, 256, 288])
def test_the_side_before_the_crop_is_kept_to_the_pixel(side):
    settings = {**PROCESSOR, "size": {"shortest_edge": side}, "do_center_crop": True, "crop_size": 224}
    preprocessing = Preprocessing(**preprocessing_of(settings, "ViT", ViTConfig()))
    assert processor_settings(preprocessing)["size"] == {"shortest_edge": side}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_processor_type": "SamImageProcessor"}, "got 'SamImageProcessor'"),
        ({"size": {"longest_edge": 8}}, "size="),
        ({"size": "8"}, "size='8'"),
        ({"image_processor_type": ["ViTImageProcessor"]}, "image_processor_type"),
        ({"resample": 7}, "resample=7"),
        ({"rescale_factor": "1/255"}, "rescale_factor='1/255'"),
        ({"image_mean": ["0.5"]}, "image_mean="),
        ({"do_center_crop": True, "crop_size": {"height": 4, "width": 8}}, "same share of both sides"),
        ({"do_center_crop": True, "crop_size": 9}, "same share of both sides"),
    ],
)
def test_processors_that_cannot_be_followed_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        preprocessing_of({**PROCESSOR, **changes}, "ViT", ViTConfig(image_size=8, patch_size=4))


def test_preprocessing_that_no_processor_does_is_named():
    with pytest.raises(ValueError, match="crop_mode='border'"):
        processor_settings(Preprocessing(crop_mode="border"))


SQUARE = {**TINY, "image_size": 8}
TOKENLESS = {"use_class_token": False, "pooling": "mean"}
SCALED = {"layer_scale_init": 0.1}
WRITTEN = {
    "ViTForImageClassification": {},
    "ViTModel": {"num_classes": 0, "use_qkv_bias": False},
    "DeiTForImageClassification": {"num_register_tokens": 1},
    "DeiTForImageClassificationWithTeacher": {"use_distillation_token": True},
    "Dinov2ForImageClassification": {**SCALED, "pooling": "token_mean"},
    "Dinov2Model": {**SCALED, "mlp": "swiglu", "num_classes": 0},
    "Dinov2WithRegistersForImageClassification": {**SCALED, "pooling": "token_mean", "num_register_tokens": 3},
    "Dinov2WithRegistersModel": {**SCALED, "num_classes": 0, "num_register_tokens": 3},
    "CLIPVisionModel": {"use_embedding_norm": True, "num_classes": 0},
    "CLIPForImageClassification": {"use_embedding_norm": True, "pooling": "mean", "use_final_norm": False},
    "SiglipVisionModel": {"use_class_token": False, "pooling": "attention", "num_classes": 0},
    "SiglipForImageClassification": TOKENLESS,
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_read_again_with_equal_weights(name, randomise):
    model = ViT(**{**SQUARE, **WRITTEN[name]}, norm_epsilon=1e-3)
    randomise(model)

    settings, _ = TO_TRANSFORMERS.settings(model.config, None, model.preprocessing)
    tensors = checkpoints.collect(model.weights_by_path(), TO_TRANSFORMERS.entries(model.config))

    assert settings["architectures"] == [name]
    loaded = load(json.loads(json.dumps(settings)), tensors)
    assert loaded.config == model.config.replace(layer_scale_init=loaded.config.layer_scale_init)
    for path, variable in model.weights_by_path().items():
        np.testing.assert_array_equal(weight(loaded, path), keras.ops.convert_to_numpy(variable))


def test_names_are_those_of_files():
    model = ViT(**{**SQUARE, "depth": 1, "num_classes": 2})
    tensors = checkpoints.collect(model.weights_by_path(), TO_TRANSFORMERS.entries(model.config))
    assert {name: array.shape for name, array in tensors.items()} == VIT_SHAPES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "max"}, "pooling needs to be 'token'; got 'max'"),
        ({"use_qk_norm": True}, "use_qk_norm needs to be False; got True"),
        ({"positional_encoding": "none"}, "positional_encoding needs to be 'learned' or 'sincos'; got 'none'"),
        ({"pre_logits_dim": 4}, "pre_logits_dim needs to be None; got 4"),
        (SCALED, "pooling needs to be 'token_mean'; got 'token'"),
        ({"pooling": "token_mean"}, "layer_scale_init needs to be"),
        ({**SCALED, "pooling": "token_mean", "mlp_ratio": 1.5}, "mlp_ratio needs to be a whole number"),
        ({**TOKENLESS, "image_size": (8, 12)}, "need to be squares"),
        ({"use_embedding_norm": True}, "pooling needs to be 'mean'; got 'token'"),
        ({"image_size": (7, 10), "pad": True}, r"image_size needs to be \(8, 12\)"),
        ({"num_register_tokens": 2}, "num_register_tokens needs to be 1; got 2"),
    ],
)
def test_what_transformers_cannot_build_is_named(changes, message):
    config = ViTConfig(**{**SQUARE, **changes})
    with pytest.raises(ValueError, match=message):
        TO_TRANSFORMERS.settings(config, None, Preprocessing(image_size=8))
