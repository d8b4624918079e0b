"""Every Swin that timm publishes, of both versions, and transformers' classes: equal outputs, both ways."""

import gc

import keras
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import keras_vit
from keras_vit.models.swin.presets import TABLES
from keras_vit.models.swin_v2.presets import TABLES as TABLES_V2
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

SOME = ["swin_s3_small_224", "swin_tiny_patch4_window7_224", "swinv2_base_window12to16_192to256"]
ARCHITECTURES = [*TABLES.architectures(), *TABLES_V2.architectures()]
CHOSEN = of_each_kind(ARCHITECTURES, SOME)

SMALL = {"depths": (2, 2, 2, 2), "embed_dim": 16, "num_heads": (1, 2, 2, 4)}


@pytest.fixture(autouse=True)
def free_memory():
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("architecture", CHOSEN)
def test_outputs_are_those_of_timm_both_ways(architecture, tmp_path):
    arguments = {"depths": (2, 2, 2, 2)}  # with and without a shift in each stage
    theirs = make_timm_model(architecture, **arguments)
    save_timm_model(theirs, tmp_path / "theirs", arguments)
    images = make_images(theirs.patch_embed.img_size)
    expected = outputs_of_timm(theirs, images)
    del theirs

    ours = keras_vit.from_preset(tmp_path / "theirs")

    assert type(ours).__name__ == ("SwinV2" if architecture.startswith("swinv2") else "Swin")
    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)

    ours.save_to_preset(tmp_path / "ours")
    del ours
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


def test_the_full_depth_gives_the_outputs_of_timm(tmp_path):
    theirs = make_timm_model("swin_tiny_patch4_window7_224")
    save_timm_model(theirs, tmp_path / "theirs", {})
    images = make_images((224, 224))
    ours = keras_vit.from_preset(tmp_path / "theirs")
    assert ours.config == keras_vit.SwinConfig(num_classes=7)
    for each, other in zip(outputs_of(ours, images), outputs_of_timm(theirs, images), strict=True):
        assert_close(each, other)


@pytest.mark.filterwarnings("ignore::UserWarning:timm")  # PyTorch wants the interpolation of tables done otherwise
# Another size: windows that stay, that get smaller with the grid, and that are chosen anew; timm resamples its tables.
@pytest.mark.parametrize(
    ("architecture", "changes", "arguments"),
    [
        ("swin_tiny_patch4_window7_224", {"image_size": (256, 256)}, {"img_size": 256}),
        ("swin_tiny_patch4_window7_224", {"image_size": (160, 96)}, {"img_size": (160, 96)}),
        (
            "swin_tiny_patch4_window7_224",
            {"image_size": (320, 256), "window_size": 10},
            {"img_size": (320, 256), "window_size": 10},
        ),
        (
            "swin_s3_tiny_224",
            {"image_size": (256, 256), "window_size": ((8, 8), (8, 8), (16, 16), (8, 8))},
            {"img_size": 256, "window_size": (8, 8, 16, 8)},
        ),
        (
            "swin_tiny_patch4_window7_224",
            {"image_size": (112, 112), "patch_size": 2},
            {"img_size": 112, "patch_size": 2},
        ),
        ("swinv2_tiny_window8_256", {"image_size": (192, 320)}, {"img_size": (192, 320)}),
        (
            "swinv2_base_window12to16_192to256",
            {"image_size": (384, 384), "window_size": 24},
            {"img_size": 384, "window_size": 24},
        ),
    ],
    ids=str,
)
def test_another_size_or_window_is_what_timm_makes_of_it(architecture, changes, arguments, tmp_path):
    save_timm_model(make_timm_model(architecture, **SMALL), tmp_path / "theirs", SMALL)
    theirs = timm.create_model(f"local-dir:{tmp_path / 'theirs'}", pretrained=True, **arguments).eval()
    ours = keras_vit.from_preset(tmp_path / "theirs", **changes)
    images = make_images(theirs.patch_embed.img_size)
    for each, other in zip(outputs_of(ours, images), outputs_of_timm(theirs, images), strict=True):
        assert_close(each, other)


@pytest.mark.parametrize("architecture", ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"])
def test_names_of_the_authors_are_read_too(architecture, tmp_path):
    theirs = make_timm_model(architecture, **SMALL)
    save_timm_model(theirs, tmp_path / "theirs", SMALL)
    path = str(tmp_path / "theirs" / "model.safetensors")
    renamed = {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(2, 2)}
    for name, tensor in load_file(path).items():
        parts = name.replace("head.fc.", "head.").split(".")
        if "downsample" in parts:
            parts[1] = str(int(parts[1]) - 1)
        renamed[".".join(parts)] = tensor
    save_file(renamed, path)

    ours = keras_vit.from_preset(tmp_path / "theirs")

    images = make_images(theirs.patch_embed.img_size)
    for each, other in zip(outputs_of(ours, images), outputs_of_timm(theirs, images), strict=True):
        assert_close(each, other)


@pytest.mark.parametrize(
    ("settings", "argument"),
    [({"head_dim": 16}, "head_dim=16"), ({"always_partition": True}, "always_partition=True")],
    ids=str,
)
def test_other_architectures_are_refused_by_argument(settings, argument, tmp_path):
    arguments = {**SMALL, **settings}
    save_timm_model(make_timm_model("swin_tiny_patch4_window7_224", **arguments), tmp_path / "theirs", arguments)
    with pytest.raises(ValueError, match=f"timm's argument {argument} makes another architecture than Swin"):
        keras_vit.from_preset(tmp_path / "theirs")


# transformers.

HF = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [1, 2], "window_size": 4}


def logits(model, images):
    return model(pixel_values=images).logits


def pooled(model, images):
    return model(pixel_values=images).pooler_output


def inner_pooled(model, images):
    return model.base_model(pixel_values=images).last_hidden_state.mean(dim=1)


MODELS = {
    "swin": ("SwinModel", HF, pooled),
    "swin_classes": ("SwinForImageClassification", {**HF, "num_labels": 3}, logits),
    "swin_settings": (
        "SwinForImageClassification",
        {**HF, "num_labels": 3, "num_channels": 1, "qkv_bias": False, "mlp_ratio": 3.0},
        logits,
    ),
    "swin_masked": ("SwinForMaskedImageModeling", {**HF, "encoder_stride": 4}, inner_pooled),
    "swinv2": ("Swinv2Model", HF, pooled),
    "swinv2_classes": ("Swinv2ForImageClassification", {**HF, "num_labels": 3}, logits),
    "swinv2_pretrained": (
        "Swinv2ForImageClassification",
        {**HF, "num_labels": 3, "window_size": 16, "pretrained_window_sizes": [6, 3]},
        logits,
    ),
    "swinv2_without_bias": ("Swinv2ForImageClassification", {**HF, "num_labels": 3, "qkv_bias": False}, logits),
}


def make_transformers_model(name):
    class_name, arguments, run = MODELS[name]
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**arguments)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    images = np.random.default_rng(1).normal(size=(2, 32, 32, arguments.get("num_channels", 3))).astype("float32")
    with torch.no_grad():
        expected = run(model, torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    return model, run, images, expected


@pytest.mark.parametrize("original_names", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_transformers(name, original_names, tmp_path):
    model, _, images, expected = make_transformers_model(name)
    model.save_pretrained(tmp_path, save_original_format=original_names)
    ours = keras_vit.from_preset(tmp_path)
    assert_close(ours(images), expected)
    assert not [row for row in ours.load_report.rows if row.status not in ("loaded", "ignored")]


@pytest.mark.parametrize("name", MODELS)
def test_transformers_gives_the_outputs_of_what_is_written_for_it(name, tmp_path):
    model, run, images, expected = make_transformers_model(name)
    model.save_pretrained(tmp_path / "theirs")
    keras_vit.from_preset(tmp_path / "theirs").save_for_transformers(tmp_path / "ours")
    model_class = type(model)
    if name == "swin_masked":
        model_class, run = transformers.SwinModel, pooled
    again, info = model_class.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        outputs = run(again.eval(), torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    assert_close(outputs, expected)


def test_the_processor_is_read_and_written(tmp_path):
    model, _, _, _ = make_transformers_model("swin_classes")
    model.save_pretrained(tmp_path / "theirs")
    size = {"height": 32, "width": 32}
    transformers.ViTImageProcessor(size=size, resample=3, image_mean=[0.4] * 3).save_pretrained(tmp_path / "theirs")
    ours = keras_vit.from_preset(tmp_path / "theirs")
    assert (ours.preprocessing.interpolation, ours.preprocessing.mean) == ("bicubic", (0.4, 0.4, 0.4))
    ours.save_for_transformers(tmp_path / "ours")
    again = transformers.ViTImageProcessor.from_pretrained(tmp_path / "ours")
    assert tuple(again.image_mean) == (0.4, 0.4, 0.4)
