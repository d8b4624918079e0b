"""Every hybrid that timm publishes: read with equal outputs, read back by timm, and Google's files of them."""

import gc

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.models.hybrid_vit import presets
from tests.parity import google_npz
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

pytestmark = pytest.mark.parity

ARCHITECTURES = presets.TABLES.architectures()
SOME = {"vit_base_mci_224", "vit_small_r26_s32_224", "vit_tiny_r_s16_p8_224"}
CHOSEN = of_each_kind(ARCHITECTURES, SOME)


def make_hybrid(architecture, **arguments):
    """All of the stem and two encoder layers; the stored statistics of batch norms are random too."""
    model = make_timm_model(architecture, depth=2, **arguments)
    generator = torch.Generator().manual_seed(1)
    for name, buffer in model.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.zero_()
        else:
            low, high = (0.5, 2.0) if name.endswith("running_var") else (-0.3, 0.3)
            buffer.uniform_(low, high, generator=generator)
    return model


@pytest.fixture(autouse=True)
def free_memory():
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("architecture", CHOSEN)
def test_outputs_are_those_of_timm_both_ways(architecture, tmp_path):
    theirs = make_hybrid(architecture)
    save_timm_model(theirs, tmp_path / "theirs", {"depth": 2})
    size = theirs.patch_embed.img_size
    images = make_images(size)
    expected = outputs_of_timm(theirs, images)
    del theirs

    ours = keras_vit.HybridViT.from_preset(tmp_path / "theirs")

    assert ours.config.image_size == tuple(size)
    for each, other in zip(outputs_of(ours, images), expected, strict=True):
        assert_close(each, other)

    ours.save_to_preset(tmp_path / "ours")
    del ours
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


@pytest.mark.parametrize("architecture", [name for name in CHOSEN if name in SOME])
@pytest.mark.parametrize("size", [(96, 160), (256, 256)])
def test_another_image_size_is_that_of_timm(architecture, size, tmp_path):
    save_timm_model(make_hybrid(architecture), tmp_path / "theirs", {"depth": 2})
    theirs = timm.create_model(f"local-dir:{tmp_path / 'theirs'}", pretrained=True, img_size=size).eval()
    images = make_images(size)
    expected = outputs_of_timm(theirs, images)

    for image_size in (size, None):
        ours = keras_vit.HybridViT.from_preset(tmp_path / "theirs", image_size=image_size)
        for each, other in zip(outputs_of(ours, images), expected, strict=True):
            assert_close(each, other)


def test_a_size_that_the_strides_do_not_divide_is_filled_up_as_by_timm(tmp_path):
    save_timm_model(make_hybrid("vit_small_r26_s32_224"), tmp_path / "theirs", {"depth": 2})
    arguments = {"depth": 2, "img_size": (100, 130)}
    model = timm.create_model("vit_small_r26_s32_224", num_classes=7, **arguments).eval()
    save_timm_model(model, tmp_path / "odd", arguments)
    images = make_images((100, 130))
    expected = outputs_of_timm(model, images)

    ours = keras_vit.HybridViT.from_preset(tmp_path / "odd")

    assert (ours.config.grid_size, ours.config.pad) == ((4, 5), True)
    assert_close(outputs_of(ours, images)[1], expected[1])
    ours.save_to_preset(tmp_path / "ours")
    again = timm.create_model(f"local-dir:{tmp_path / 'ours'}", pretrained=True).eval()
    assert_close(outputs_of_timm(again, images)[1], expected[1])


@pytest.mark.parametrize("architecture", ["vit_small_r26_s32_224", "vit_tiny_r_s16_p8_224"])
def test_other_channels_are_adapted_as_by_timm(architecture, tmp_path):
    save_timm_model(make_hybrid(architecture), tmp_path / "theirs", {"depth": 2})
    theirs = timm.create_model(f"local-dir:{tmp_path / 'theirs'}", pretrained=True, in_chans=1).eval()
    ours = keras_vit.HybridViT.from_preset(tmp_path / "theirs", in_channels=1)
    images = make_images((224, 224))[..., :1]
    assert_close(outputs_of(ours, images)[1], outputs_of_timm(theirs, images)[1])


@pytest.mark.parametrize("has_four_axes", [False, True])
@pytest.mark.parametrize("architecture", ["vit_small_r26_s32_224", "vit_tiny_r_s16_p8_224"])
def test_files_of_google_give_the_outputs_of_timm(architecture, has_four_axes, tmp_path):
    state = {name: tensor.numpy() for name, tensor in make_hybrid(architecture).state_dict().items()}
    num_heads = presets.TABLES.timm_settings(architecture)["num_heads"]
    arrays = google_npz.published(state, num_heads, google_npz.OLD) | google_npz.stem(state, has_four_axes)
    np.savez(tmp_path / "model.npz", **arrays)
    theirs = timm.create_model(architecture, num_classes=7, depth=2).eval()
    theirs.load_pretrained(str(tmp_path / "model.npz"))
    images = make_images((224, 224))

    ours = keras_vit.from_preset(tmp_path / "model.npz")

    assert isinstance(ours, keras_vit.HybridViT)
    assert not ours.load_report.ignored
    for each, other in zip(outputs_of(ours, images), outputs_of_timm(theirs, images), strict=True):
        assert_close(each, other)
