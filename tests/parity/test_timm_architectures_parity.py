"""Every architecture that timm publishes a plain ViT of: read with equal outputs, and read back by timm."""

import gc
import json

import keras
import pytest

import keras_vit
from keras_vit.models.vit import presets
from tests.parity.timm_models import (
    assert_close,
    make_images,
    make_timm_model,
    outputs_of,
    outputs_of_timm,
    save_timm_model,
    timm,
)
from tests.sampling import of_each_kind

pytestmark = pytest.mark.parity

DIFFERENT = tuple(presets.TABLES.exceptions)  # no plain ViT: refused with the reason
ARCHITECTURES = [name for name in presets.TABLES.architectures() if not name.startswith(DIFFERENT)]

SOME = {
    "aimv2_large_patch14_224",
    "beit3_base_patch16_224",
    "deit_tiny_distilled_patch16_224",
    "flexivit_small",
    "vit_base_patch16_clip_quickgelu_224",
    "vit_base_patch16_radio_v3",
    "vit_base_patch16_siglip_224",
    "vit_giant_patch14_dinov2",
    "vit_little_patch16_reg4_gap_256",
    "vit_mediumd_patch16_reg4_gap_256",
    "vit_pwee_patch16_reg1_gap_256",
    "vit_small_patch14_reg4_dinov2",
    "vit_tiny_patch16_224",
}
CHOSEN = of_each_kind(ARCHITECTURES, SOME)


def make_cut_model(architecture, **arguments):
    """A model of full width and image size, and the arguments it was made with; wide ones have two blocks."""
    if presets.TABLES.timm_settings(architecture).get("embed_dim", 768) > 192:
        arguments.setdefault("depth", 2)
    return make_timm_model(architecture, **arguments), arguments


@pytest.fixture(autouse=True)
def free_memory():
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("architecture", CHOSEN)
def test_outputs_are_those_of_timm_both_ways(architecture, tmp_path):
    theirs, arguments = make_cut_model(architecture)
    save_timm_model(theirs, tmp_path / "theirs", arguments)
    size = theirs.patch_embed.img_size
    images = make_images(size)
    expected = outputs_of_timm(theirs, images)
    del theirs

    ours = keras_vit.ViT.from_preset(tmp_path / "theirs")

    assert ours.config.image_size == tuple(size)
    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)

    ours.save_to_preset(tmp_path / "ours")
    del ours
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


@pytest.mark.parametrize("name", [name for name in presets.TABLES.architectures() if name.startswith(DIFFERENT)])
def test_other_architectures_are_refused_by_name(name, tmp_path):
    model = timm.create_model(name, num_classes=3, depth=1)
    save_timm_model(model, tmp_path / "model", {"depth": 1})
    with pytest.raises(ValueError, match=r"another architecture|no plain ViT"):
        keras_vit.ViT.from_preset(tmp_path / "model")


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224", "vit_base_patch32_224",
             "vit_large_patch16_224", "vit_small_patch14_reg4_dinov2"]
)  # fmt: skip
def test_full_sizes_give_the_outputs_of_timm(name, tmp_path):
    theirs = make_timm_model(name)
    save_timm_model(theirs, tmp_path / "theirs", {})
    images = make_images(theirs.patch_embed.img_size)
    expected = outputs_of_timm(theirs, images)
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["architecture"] == name

    ours = keras_vit.ViT.from_preset(tmp_path / "theirs")

    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)
