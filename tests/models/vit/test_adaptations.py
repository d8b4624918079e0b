"""Weights for another patch size, another number of channels, another pooling."""

import numpy as np
import pytest

from keras_vit import ViT
from keras_vit.checkpoints import CheckpointError
from keras_vit.models.adapting import adapt_channels
from tests.models.vit.configs import TINY


@pytest.fixture
def model(randomise):
    model = ViT(**TINY)
    randomise(model)
    return model


@pytest.fixture
def folder(tmp_path, model):
    return model.save_to_preset(tmp_path / "mine")


@pytest.fixture
def kernel(rng):
    return rng.normal(size=(4, 4, 3, 5)).astype("float32")


def test_grey_images_give_what_three_equal_channels_gave(folder, model, rng):
    grey = ViT.from_preset(folder, in_channels=1)
    images = rng.normal(size=(2, 8, 12, 1)).astype("float32")
    colour = np.repeat(images, 3, axis=-1)
    np.testing.assert_allclose(grey.predict(images, verbose=0), model.predict(colour, verbose=0), atol=1e-4)
    (row,) = [row for row in grey.load_report.rows if row.status != "loaded"]
    assert (row.variable, row.status) == ("patch_embedding/kernel", "adapted")
    assert grey.preprocessing.num_channels == 1


@pytest.mark.parametrize("in_channels", [2, 4, 6, 7])
def test_more_channels_repeat_colours_and_keep_the_sum(kernel, in_channels):
    adapted = adapt_channels(kernel, in_channels)
    assert adapted.shape == (4, 4, in_channels, 5)
    assert adapted.dtype == kernel.dtype
    for channel in range(in_channels):
        np.testing.assert_allclose(adapted[:, :, channel], kernel[:, :, channel % 3] * 3 / in_channels, rtol=1e-6)


def test_kernels_of_other_images_than_rgb_are_not_adapted(tmp_path, randomise):
    folder = ViT(**{**TINY, "in_channels": 4}).save_to_preset(tmp_path / "four")
    with pytest.raises(CheckpointError, match="only kernels for 3 channels can be adapted; this one has 4"):
        ViT.from_preset(folder, in_channels=3)


def test_larger_patches_give_the_same_patches_of_enlarged_images(folder, model, rng):
    large = ViT.from_preset(folder, patch_size=8, image_size=(16, 24))
    # Each pixel becomes a smooth surface: what the enlargement adds, the larger kernel leaves out.
    images = rng.normal(size=(1, 8, 12, 3)).astype("float32")
    from keras_vit.resampling import bicubic_matrix

    up = bicubic_matrix(4, 8)
    blocks = images.reshape(1, 2, 4, 3, 4, 3)
    enlarged = np.einsum("ai,bj,nricjd->nracbd", up, up, blocks).reshape(1, 16, 24, 3).astype("float32")
    np.testing.assert_allclose(large.predict(enlarged, verbose=0), model.predict(images, verbose=0), atol=1e-3)
    assert large.load_report.rows[0].status == "resampled"
    assert large.load_report.rows[0].note == "(4, 4, 3, 8) -> (8, 8, 3, 8)"


def test_another_pooling_keeps_the_head_and_starts_what_is_new_at_random(folder, model):
    mean = ViT.from_preset(folder, pooling="mean")
    assert {row.status for row in mean.load_report.rows} == {"loaded"}
    attentive = ViT.from_preset(folder, pooling="attention")
    new = {row.variable for row in attentive.load_report.rows if row.status == "new"}
    assert new == {name for name in attentive.weights_by_path() if name.startswith("head/pool/")}
    assert np.asarray(attentive.weights_by_path()["head/pool/query/kernel"].numpy()).std() > 0.1
    np.testing.assert_array_equal(
        attentive.weights_by_path()["head/logits/kernel"].numpy(), model.weights_by_path()["head/logits/kernel"].numpy()
    )


def test_a_pooling_that_goes_leaves_its_weights_in_the_file(tmp_path, randomise):
    model = ViT(**{**TINY, "use_class_token": False, "pooling": "attention"})
    randomise(model)
    mean = ViT.from_preset(model.save_to_preset(tmp_path / "mine"), pooling="mean")
    assert "attn_pool.latent" in mean.load_report.ignored


def test_the_new_head_is_said_in_one_line(folder, capsys):
    ViT.from_preset(folder, num_classes=7)
    assert capsys.readouterr().err == f"{folder}: new head for 7 classes, random weights.\n"
    ViT.from_preset(folder)
    assert capsys.readouterr().err == ""
