"""EVA, DINOv3 and relatives against live timm and transformers: equal outputs at any image size, and written back."""

import gc
import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.models.eva import presets
from keras_vit.models.eva.layouts import timm_arguments
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
FlopCounterMode = pytest.importorskip("torch.utils.flop_counter").FlopCounterMode

pytestmark = pytest.mark.parity

ARCHITECTURES = presets.TABLES.architectures()
SOME = {
    "eva02_base_patch16_clip_224",
    "eva02_enormous_patch14_clip_224",
    "eva02_tiny_patch14_224",
    "eva_giant_patch14_224",
    "vit_huge_patch16_sapiens2",
    "vit_medium_patch16_rope_reg1_gap_256",
    "vit_pe_core_tiny_patch16_384",
    "vit_pe_lang_large_patch14_448",
    "vit_small_patch16_dinov3",
    "vit_small_patch16_rope_224",
    "vit_small_patch16_rope_mixed_ape_224",
    "vit_small_plus_patch16_dinov3_qkvb",
}


@pytest.fixture(autouse=True)
def free_memory():
    yield
    keras.backend.clear_session()
    gc.collect()


def cut(architecture):
    """Full width, two layers (one of very wide ones), and fewer pixels of large images."""
    settings = presets.TABLES.timm_settings(architecture)
    arguments = {"depth": 1 if settings.get("embed_dim", 768) > 1600 else 2}
    if "num_kv_heads" in settings:
        arguments["num_kv_heads"] = [settings["num_kv_heads"][0], min(settings["num_kv_heads"])][: arguments["depth"]]
    if max(settings["img_size"]) > 448:
        arguments["img_size"] = (16 * settings.get("patch_size", 16), 12 * settings.get("patch_size", 16))
    return arguments


# timm.


@pytest.mark.parametrize("architecture", of_each_kind(ARCHITECTURES, SOME))
def test_outputs_are_those_of_timm_both_ways(architecture, tmp_path):
    arguments = cut(architecture)
    theirs = make_timm_model(architecture, **arguments)
    save_timm_model(theirs, tmp_path / "theirs", arguments)
    images = make_images(theirs.patch_embed.img_size)
    expected = outputs_of_timm(theirs, images)
    del theirs

    ours = keras_vit.EVA.from_preset(tmp_path / "theirs")

    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)
    ours.save_to_preset(tmp_path / "ours")
    del ours
    assert json.loads((tmp_path / "ours" / "config.json").read_text())["architecture"] != "keras_vit"
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


KINDS = [
    "eva02_tiny_patch14_224",  # positions of both kinds, scaled to a grid
    "vit_pe_core_tiny_patch16_384",  # columns first, an offset
    "vit_small_patch16_dinov3",  # centred coordinates
    "vit_small_patch16_rope_224",  # as they are
    "vit_small_patch16_rope_mixed_224",  # learned frequencies
]


# Larger, smaller, and wider than high, in patches.
@pytest.mark.parametrize("grid", [(30, 30), (5, 5), (4, 20)], ids=str)
@pytest.mark.parametrize("architecture", KINDS)
def test_another_image_size_is_that_of_timm(architecture, grid, tmp_path):
    theirs = make_timm_model(architecture, depth=2)
    save_timm_model(theirs, tmp_path / "theirs", {"depth": 2})
    size = tuple(each * theirs.patch_embed.patch_size[0] for each in grid)
    theirs = timm.create_model(f"local-dir:{tmp_path / 'theirs'}", pretrained=True, img_size=size).eval()
    images = make_images(size)

    for image_size in (size, None):
        ours = keras_vit.EVA.from_preset(tmp_path / "theirs", image_size=image_size)
        for each, other in zip(outputs_of(ours, images), outputs_of_timm(theirs, images), strict=True):
            assert_close(each, other)
    ours.save_to_preset(tmp_path / "ours")  # of any size
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], outputs_of_timm(theirs, images)[1])


SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("eva02_base_patch14_224", {"qkv_fused": True, "num_reg_tokens": 2}),
        ("eva02_tiny_patch14_224", {"qkv_fused": False, "global_pool": "max"}),
        ("eva02_tiny_patch14_224", {"swiglu_align_to": 8, "mlp_ratio": 2.3, "global_pool": ""}),
        ("eva_giant_patch14_224", {"attn_type": "rope", "class_token": False, "scale_mlp": True}),
        ("eva_giant_patch14_224", {"use_abs_pos_emb": False, "qk_norm": True, "attn_type": "rope"}),
        ("eva02_enormous_patch14_clip_224", {"use_rot_pos_emb": True, "qkv_bias": False, "swiglu_mlp": True}),
        ("vit_base_patch16_dinov3", {"rope_grid_indexing": "xy", "rope_grid_offset": 0.25}),
        ("vit_base_patch16_dinov3", {"attn_only_layer_scale": True, "in_chans": 1}),
        ("vit_base_patch16_dinov3", {"use_fc_norm": True}),
        ("vit_small_patch16_rope_mixed_224", {"rope_grid_indexing": "ij", "no_embed_class": True}),
        ("vit_base_patch16_sapiens2", {"num_kv_heads": 2, "qkv_bias": False}),
        ("vit_base_patch16_sapiens2", {"num_kv_heads": [4, 1]}),
        ("vit_pe_core_base_patch16_224", {"attn_pool_num_heads": 2, "attn_pool_mlp_ratio": 1.5}),
        ("vit_pe_spatial_tiny_patch16_512", {"global_pool": "token"}),
    ],
    ids=str,
)
def test_what_arguments_of_timm_change_is_changed_here(architecture, arguments, tmp_path):
    arguments = {**SMALL, **({"num_kv_heads": 4} if "sapiens2" in architecture else {}), **arguments}
    theirs = make_timm_model(architecture, **arguments)
    save_timm_model(theirs, tmp_path / "theirs", arguments)
    images = make_images((32, 32))[..., : arguments.get("in_chans", 3)]
    expected = outputs_of_timm(theirs, images)

    ours = keras_vit.EVA.from_preset(tmp_path / "theirs")

    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)
    ours.save_to_preset(tmp_path / "ours")
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


@pytest.mark.parametrize(
    "architecture",
    [
        "eva02_tiny_patch14_224",
        "vit_large_patch16_sapiens2",
        "vit_pe_core_base_patch16_224",
        "vit_small_patch16_dinov3",
    ],
)
def test_multiply_accumulates_are_those_that_pytorch_counts(architecture):
    with torch.device("meta"):  # counts without computing
        model = timm.create_model(architecture, num_classes=7)
        size = presets.TABLES.timm_settings(architecture)["img_size"]
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, *size))
    config = timm_arguments.config_of({**presets.TABLES.timm_settings(architecture), "num_classes": 7})
    assert 2 * keras_vit.EVA.count_macs(config, size) == counter.get_total_flops()


# transformers.


def make_dinov3(name, **settings):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    model_class = getattr(transformers, name)
    model = model_class(model_class.config_class(**sizes, image_size=64, **settings)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator) + (parameter == 1))
    return model


def run(model, images):
    with torch.no_grad():
        return model(pixel_values=torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_register_tokens": 4, "use_gated_mlp": True, "hidden_act": "silu"},
        {"query_bias": False, "value_bias": False, "rope_theta": 10.0},
        {"key_bias": True, "patch_size": [8, 16], "layer_norm_eps": 1e-6},
    ],
    ids=str,
)
def test_dinov3_of_transformers_is_read_and_written(settings, tmp_path):
    theirs = make_dinov3("DINOv3ViTModel", **settings)
    theirs.save_pretrained(tmp_path / "theirs")

    ours = keras_vit.from_preset(tmp_path / "theirs")

    assert type(ours) is keras_vit.EVA
    for size in ((64, 64), (32, 80)):  # what the files name, and another one
        images = make_images(size)
        expected = run(theirs, images)
        model = keras_vit.from_preset(tmp_path / "theirs", image_size=size)
        features, pooled = outputs_of(model, images)
        assert_close(features, expected.last_hidden_state)
        assert_close(pooled, expected.pooler_output)

    ours.save_for_transformers(tmp_path / "ours")
    again = transformers.AutoModel.from_pretrained(tmp_path / "ours").eval()
    assert type(again) is transformers.DINOv3ViTModel
    assert_close(run(again, images).pooler_output.numpy(), expected.pooler_output)


def test_a_backbone_of_transformers_is_read(tmp_path):
    theirs = make_dinov3("DINOv3ViTBackbone", reshape_hidden_states=False)
    theirs.save_pretrained(tmp_path / "theirs")
    images = make_images((64, 64))
    ours = keras_vit.from_preset(tmp_path / "theirs")
    assert_close(ours.features(images)[:, 1:], run(theirs, images).feature_maps[-1])


def test_the_image_processor_of_dinov3_is_read(tmp_path):
    make_dinov3("DINOv3ViTModel").save_pretrained(tmp_path / "model")
    settings = {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": {"height": 64, "width": 64}}
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(settings))
    preprocessing = keras_vit.from_preset(tmp_path / "model").preprocessing
    assert (preprocessing.crop_mode, preprocessing.interpolation) == ("squash", "bilinear")
    np.testing.assert_allclose(preprocessing.mean, (0.485, 0.456, 0.406))
