"""Every architecture that timm publishes a plain ViT of: read with equal outputs, and read back by timm."""

import gc
import json
import os

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.models.vit import presets

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

pytestmark = pytest.mark.parity

DIFFERENT = tuple(presets.TABLES.exceptions)  # no plain ViT: refused with the reason
ARCHITECTURES = [name for name in presets.TABLES.architectures() if not name.startswith(DIFFERENT)]

# One of each kind, for the backends that do not run all of them (set KERAS_VIT_PARITY=some).
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
CHOSEN = (
    [name for name in ARCHITECTURES if name in SOME] if os.environ.get("KERAS_VIT_PARITY") == "some" else ARCHITECTURES
)


def make_timm_model(architecture: str, **arguments):
    """A model of full width and image size, all parameters random; wide ones have two blocks."""
    settings = presets.TABLES.timm_settings(architecture)
    if settings.get("embed_dim", 768) > 192:
        arguments.setdefault("depth", 2)
    with torch.device("meta"):  # drawing starting values would take longer than all the rest
        model = timm.create_model(architecture, num_classes=7, **arguments)
    model = model.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_matrix = parameter.ndim >= 2 and not name.endswith(("token", "pos_embed"))
            # The size of what passes through stays as it is; norms and layer scales are near 1, other vectors near 0.
            limit = (3 / parameter[0].numel()) ** 0.5 if is_matrix else 0.3
            parameter.uniform_(-limit, limit, generator=generator)
            if parameter.ndim == 1 and name.endswith((".weight", ".gamma")):
                parameter.add_(1)
    return model, arguments


def save_timm_model(model, folder, arguments) -> None:
    timm.models.save_for_hf(model, str(folder), model_args=arguments or None, safe_serialization=True)


def outputs_of(model, images):
    """Features that the head reads, and logits."""
    features = model.features(images)
    return features, model.get_layer("head")(features)


def outputs_of_timm(model, images):
    with torch.no_grad():
        features = model.forward_features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        return features, model.forward_head(features)


def assert_close(ours, theirs) -> None:
    ours, theirs = keras.ops.convert_to_numpy(ours), theirs.numpy()
    assert ours.shape == theirs.shape
    assert np.isfinite(theirs).all()
    assert theirs.std() > 1e-3  # a comparison of zeros would say nothing
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.fixture(autouse=True)
def free_memory():
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("architecture", CHOSEN)
def test_outputs_are_those_of_timm_both_ways(architecture, tmp_path):
    theirs, arguments = make_timm_model(architecture)
    save_timm_model(theirs, tmp_path / "theirs", arguments)
    size = theirs.patch_embed.img_size
    images = np.random.default_rng(1).normal(size=(1, *size, 3)).astype("float32")
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
    theirs, _ = make_timm_model(name, depth=presets.TABLES.timm_settings(name).get("depth", 12))
    save_timm_model(theirs, tmp_path / "theirs", {})
    images = np.random.default_rng(1).normal(size=(1, *theirs.patch_embed.img_size, 3)).astype("float32")
    expected = outputs_of_timm(theirs, images)
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["architecture"] == name

    ours = keras_vit.ViT.from_preset(tmp_path / "theirs")

    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)
