"""Preset folders: what is written, what is read back, and what is refused."""

import errno
import json
import os

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import ViT, checkpoints
from keras_vit.checkpoints import CheckpointError
from keras_vit.models.config import ConfigError
from keras_vit.preprocessing import Preprocessing
from tests.models.vit.configs import ALL, TINY
from tests.sampling import sample

LABELS = ["ant", "bee", "cat"]


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def table_of(model):
    return to_numpy(model.get_layer("positional_encoding").table.value)


def rewrite(folder, change):
    """Changes the tensors of a folder, as a hand or a broken download might."""
    with checkpoints.read(folder / "model.safetensors") as stored:
        tensors = {name: np.array(stored[name]) for name in stored}
    change(tensors)
    checkpoints.write(folder / "model.safetensors", tensors)


def reconfigure(folder, **fields):
    settings = json.loads((folder / "config.json").read_text())
    settings["keras_vit"].update(fields)
    (folder / "config.json").write_text(json.dumps(settings))


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def model(randomise):
    model = ViT(
        **TINY,
        labels=LABELS,
        preprocessing=Preprocessing(image_size=(8, 12), mean=(0.4,), std=(0.3,), crop_mode="squash"),
        provenance={"license": "mit", "training": {"epochs": 3}},
    )
    randomise(model)
    return model


@pytest.fixture
def folder(tmp_path, model):
    return model.save_to_preset(tmp_path / "mine")


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 8, 12, 3)).astype("float32")


# There and back.


def test_a_folder_gives_back_the_model(folder, model, images):
    again = ViT.from_preset(folder)
    np.testing.assert_array_equal(to_numpy(again(images)), to_numpy(model(images)))
    assert again.get_config() == model.get_config()
    assert {row.status for row in again.load_report.rows} == {"loaded"}
    assert len(again.load_report.rows) == len(model.weights)
    assert str(again.load_report) == f"{folder / 'model.safetensors'}: {len(model.weights)} loaded"


@pytest.mark.parametrize("name", sample(ALL, 6))
def test_every_kind_of_weight_goes_there_and_back(tmp_path, randomise, name):
    model = ViT(**{**TINY, **ALL[name]})
    randomise(model)
    again = ViT.from_preset(model.save_to_preset(tmp_path / "mine"))
    for path, weight in model.weights_by_path().items():
        np.testing.assert_array_equal(to_numpy(again.weights_by_path()[path].value), to_numpy(weight.value))


def test_the_folder_holds_four_files(folder):
    assert sorted(content(folder)) == ["LICENSE", "README.md", "config.json", "model.safetensors"]
    assert "MIT License" in (folder / "LICENSE").read_text()
    assert "library_name: keras_vit" in (folder / "README.md").read_text()


def test_the_licence_is_that_of_the_provenance(tmp_path):
    folder = ViT(**TINY, provenance={"license": "cc-by-nc-4.0"}).save_to_preset(tmp_path / "mine")
    assert b"cc-by-nc-4.0" in content(folder)["LICENSE"]
    assert b"MIT License" not in content(folder)["LICENSE"]


def test_config_json_speaks_to_timm_and_to_us(folder, model):
    settings = json.loads((folder / "config.json").read_text())
    assert settings["architecture"] == "vit_base_patch16_224"
    assert settings["model_args"]["embed_dim"] == 8
    pretrained = settings["pretrained_cfg"]
    assert pretrained["input_size"] == [3, 8, 12]
    assert (pretrained["mean"], pretrained["std"]) == ([0.4] * 3, [0.3] * 3)
    assert (settings["label_names"], pretrained["num_classes"]) == (LABELS, 3)
    assert (pretrained["crop_mode"], pretrained["fixed_input_size"]) == ("squash", True)
    assert pretrained["first_conv"] == "patch_embed.proj"
    section = settings["keras_vit"]
    assert section["class"] == "ViT"
    assert section["config"] == json.loads(json.dumps(model.config.to_dict()))
    assert section["labels"] == LABELS
    assert section["provenance"] == {"license": "mit", "training": {"epochs": 3}}


def test_the_weights_are_marked_for_timm(folder):
    with checkpoints.read(folder / "model.safetensors") as tensors:
        assert tensors.metadata == {"format": "pt"}
        assert tensors.shape("pos_embed") == (1, 6, 8)


def test_a_new_version_replaces_the_old_one(folder, model, images):
    model.get_layer("head").logits.bias.assign(np.ones(3, "float32"))
    model.save_to_preset(folder)
    np.testing.assert_array_equal(to_numpy(ViT.from_preset(folder)(images)), to_numpy(model(images)))
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_the_dtype_is_chosen_when_loading(folder, model, dtype):
    mixed = ViT.from_preset(folder, dtype=dtype)
    assert mixed.dtype_policy.name == dtype
    assert mixed.get_layer("encoder_0").compute_dtype == dtype.removeprefix("mixed_")
    np.testing.assert_array_equal(table_of(mixed), table_of(model))


def test_half_precision_weights_go_there_and_back(tmp_path, images):
    model = ViT(**TINY, dtype="bfloat16")
    again = ViT.from_preset(model.save_to_preset(tmp_path / "mine"), dtype="bfloat16")
    np.testing.assert_array_equal(to_numpy(again(images)), to_numpy(model(images)))
    with checkpoints.read(tmp_path / "mine" / "model.safetensors") as tensors:
        assert tensors.dtype("pos_embed") == "BF16"


# Changes while loading.


def test_a_new_head_is_random_and_the_rest_is_loaded(folder, model, images):
    new = ViT.from_preset(folder, num_classes=40)
    np.testing.assert_array_equal(to_numpy(new.features(images)), to_numpy(model.features(images)))
    kernel = to_numpy(new.get_layer("head").logits.kernel.value)
    assert kernel.shape == (8, 40)
    assert np.all(kernel != 0)
    assert kernel.std() == pytest.approx(np.sqrt(2 / 48), rel=0.15)
    assert new.labels is None
    assert new.config.num_classes == 40
    report = new.load_report
    assert {row.variable for row in report.rows if row.status == "new"} == {"head/logits/kernel", "head/logits/bias"}
    assert report.ignored == {"head.weight": "new head", "head.bias": "new head"}
    assert "2 new, 2 in the file ignored" in str(report)


def test_a_new_head_of_as_many_classes_is_new_too(folder, model):
    new = ViT.from_preset(folder, num_classes=3)
    assert new.labels is None
    assert not np.allclose(
        to_numpy(new.get_layer("head").logits.kernel.value), to_numpy(model.get_layer("head").logits.kernel.value)
    )


def test_equal_seeds_give_equal_new_heads(folder):
    kernels = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        kernels.append(to_numpy(ViT.from_preset(folder, num_classes=5).get_layer("head").logits.kernel.value))
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_the_head_can_be_left_out_and_put_on_again(tmp_path, folder, model, images):
    features = ViT.from_preset(folder, num_classes=0)
    assert features.load_report.ignored == {
        "head.weight": "the changed model has no place for it",
        "head.bias": "the changed model has no place for it",
    }
    np.testing.assert_array_equal(to_numpy(features(images)), to_numpy(model.features(images))[:, 0])
    headless = features.save_to_preset(tmp_path / "headless")
    again = ViT.from_preset(headless, num_classes=5)
    assert again.load_report.ignored == {}
    assert np.all(to_numpy(again.get_layer("head").logits.kernel.value) != 0)


def test_pre_logits_stay_when_the_head_goes(tmp_path, randomise, images):
    model = ViT(**TINY, pre_logits_dim=5)
    randomise(model)
    folder = model.save_to_preset(tmp_path / "mine")
    assert to_numpy(ViT.from_preset(folder, num_classes=0)(images)).shape == (2, 5)
    assert ViT.from_preset(folder, num_classes=4).load_report.ignored.keys() == {"head.weight", "head.bias"}


@pytest.mark.parametrize(("image_size", "grid"), [((12, 8), (3, 2)), ((24, 16), (6, 4)), (16, (4, 4))])
def test_positions_are_resampled_for_another_image_size(folder, model, image_size, grid):
    resized = ViT.from_preset(folder, image_size=image_size)
    settings = {"interpolation": "bicubic", "antialias": True, "data_format": "channels_last"}
    expected = ops.image.resize(ops.convert_to_tensor(table_of(model)), grid, **settings)
    np.testing.assert_allclose(table_of(resized), to_numpy(expected), atol=1e-5)
    assert resized.config.image_size == resized.preprocessing.image_size
    assert resized.preprocessing.crop_mode == "squash"
    assert resized.labels == tuple(LABELS)
    (row,) = [row for row in resized.load_report.rows if row.status != "loaded"]
    assert (row.variable, row.status) == ("positional_encoding/table", "resampled")
    assert row.note == f"(2, 3, 8) -> ({grid[0]}, {grid[1]}, 8)"
    assert "1 resampled" in str(resized.load_report)


def test_the_own_image_size_changes_nothing(folder, model, images):
    same = ViT.from_preset(folder, image_size=(8, 12))
    np.testing.assert_array_equal(to_numpy(same(images)), to_numpy(model(images)))
    assert {row.status for row in same.load_report.rows} == {"loaded"}


def test_any_image_size_keeps_the_table(tmp_path, folder, model, images, rng):
    free = ViT.from_preset(folder, image_size=None)
    np.testing.assert_array_equal(to_numpy(free(images)), to_numpy(model(images)))
    assert {row.status for row in free.load_report.rows} == {"loaded"}
    assert free.preprocessing == model.preprocessing
    # Resampled at call time or when loading: the same numbers.
    tall = rng.normal(size=(2, 16, 8, 3)).astype("float32")
    fixed = ViT.from_preset(folder, image_size=(16, 8))
    np.testing.assert_allclose(to_numpy(free(tall)), to_numpy(fixed(tall)), atol=1e-5)
    # And from any size back to a fixed one.
    again = ViT.from_preset(free.save_to_preset(tmp_path / "free"), image_size=(16, 8))
    np.testing.assert_array_equal(to_numpy(again(tall)), to_numpy(fixed(tall)))


def test_drop_path_can_be_set_for_training(folder):
    model = ViT.from_preset(folder, drop_path_rate=0.3)
    assert model.config.drop_path_rate == 0.3
    assert model.get_layer("encoder_1").drop_path.rate == pytest.approx(0.3)


def test_patch_dropout_and_remat_can_be_set_for_training(folder, model, images):
    trained = ViT.from_preset(folder, patch_dropout_rate=0.5, remat=True)
    assert trained.get_layer("patch_dropout").rate == 0.5
    assert trained.remat
    assert not ViT.from_preset(folder).remat
    assert trained.provenance == model.provenance  # weights and outputs are the same
    np.testing.assert_array_equal(to_numpy(trained(images)), to_numpy(model(images)))


def test_wrong_changes_are_refused_before_reading(folder):
    with pytest.raises(ConfigError, match="image_size needs to be a multiple of patch_size"):
        ViT.from_preset(folder, image_size=(10, 12))
    with pytest.raises(ConfigError, match="num_classes needs a whole number"):
        ViT.from_preset(folder, num_classes=-1)


# Without weights.


def test_weights_can_be_left_random(folder, model):
    fresh = ViT.from_preset(folder, load_weights=False)
    assert (fresh.config, fresh.labels, fresh.load_report) == (model.config, tuple(LABELS), None)
    assert fresh.provenance == {"license": "mit"}
    kernel = to_numpy(fresh.get_layer("encoder_0").attention.qkv.kernel.value)
    assert kernel.std() > 0.1
    assert not np.allclose(kernel, to_numpy(model.get_layer("encoder_0").attention.qkv.kernel.value))
    assert table_of(fresh).any()


def test_an_architecture_by_name_has_random_weights():
    model = ViT.from_preset("vit_ti16", load_weights=False, image_size=16, num_classes=2)
    assert model.config.embed_dim == 192
    assert to_numpy(model.get_layer("encoder_11").mlp.expand.kernel.value).any()


def test_weights_that_are_only_published_as_code_are_refused():
    with pytest.raises(ValueError, match="'vit_huge_patch14_gap_224.in1k_ijepa'"):
        ViT.from_preset("vit_huge_patch14_gap_224.in1k_ijepa")


# Folders that do not fit.


def test_every_wrong_tensor_is_listed_in_one_error(folder):
    def spoil(tensors):
        del tensors["norm.bias"], tensors["blocks.1.mlp.fc1.weight"]
        tensors["head_dist.weight"] = np.zeros((3, 8), "float32")
        tensors["patch_embed.proj.weight"] = tensors["patch_embed.proj.weight"][:, :1]
        tensors["pos_embed"] = tensors["pos_embed"][:, 1:]
        tensors["cls_token"][0, 0, 3] = np.nan
        tensors["blocks.0.attn.qkv.bias"][5] = np.inf

    rewrite(folder, spoil)
    with pytest.raises(CheckpointError) as error:
        ViT.from_preset(folder)
    first, *lines = str(error.value).splitlines()
    assert str(folder / "model.safetensors") in first
    assert [line.strip() for line in lines] == [
        "- in the model, not in the file: blocks.1.mlp.fc1.weight (variable encoder_1/mlp/expand/kernel)",
        "- in the model, not in the file: norm.bias (variable norm/beta)",
        "+ in the file, not in the model: head_dist.weight",
        "~ shape of patch_embed.proj.weight: (8, 1, 4, 4) in the file, (8, 3, 4, 4) in the model",
        "~ shape of pos_embed: (1, 5, 8) in the file, (1, 6, 8) in the model",
        "! not finite: cls_token has values that are NaN, infinite or too large for float32",
        "! not finite: blocks.0.attn.qkv.bias has values that are NaN, infinite or too large for float32",
    ]


def test_a_table_of_another_grid_than_configured_is_not_guessed(folder):
    rewrite(folder, lambda tensors: tensors.update(pos_embed=np.zeros((1, 9, 8), "float32")))
    with pytest.raises(CheckpointError, match="pos_embed"):
        ViT.from_preset(folder, image_size=(12, 8))


def test_a_wrong_head_hurts_only_those_who_want_it(folder):
    rewrite(folder, lambda tensors: tensors.update({"head.weight": np.full((1000, 8), np.nan, "float32")}))
    assert ViT.from_preset(folder, num_classes=5).load_report.ignored.keys() == {"head.weight", "head.bias"}
    with pytest.raises(CheckpointError, match=r"~ shape of head.weight: \(1000, 8\) in the file, \(3, 8\)"):
        ViT.from_preset(folder)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            FileNotFoundError,
            "needs weights in model.safetensors",
        ),
        (lambda folder: os.truncate(folder / "model.safetensors", 3000), CheckpointError, "damaged"),
        (lambda folder: os.truncate(folder / "config.json", 50), ValueError, "config.json is not valid JSON"),
        (lambda folder: (folder / "config.json").unlink(), FileNotFoundError, "needs a config.json"),
        (lambda folder: reconfigure(folder, labels=["ant"]), ValueError, "got 1 names, num_classes=3"),
        (lambda folder: reconfigure(folder, config={"dept": 2}), ConfigError, "did you mean 'depth'"),
        (lambda folder: reconfigure(folder, config=None), ValueError, "needs a 'keras_vit' section"),
        (lambda folder: reconfigure(folder, preprocessing={"sise": 2}), ValueError, "no field 'sise'"),
    ],
    ids=["no weights", "cut weights", "cut config", "no config", "labels", "field", "section", "preprocessing"],
)
def test_a_broken_folder_is_refused(folder, spoil, error, message):
    spoil(folder)
    with pytest.raises(error, match=message):
        ViT.from_preset(folder)


def test_a_preset_of_another_class_is_refused(folder):
    class Other(ViT):
        pass

    with pytest.raises(ValueError, match=r"Other.from_preset needs a preset of its class; .* is a ViT"):
        Other.from_preset(folder)


# Saving that fails.


def test_weights_that_are_not_finite_are_not_saved(folder, model):
    before = content(folder)
    model.get_layer("norm").gamma.assign(np.full(8, np.nan, "float32"))
    with pytest.raises(ValueError, match=r"Saving needs finite weights; got NaN or infinity in norm.weight"):
        model.save_to_preset(folder)
    assert content(folder) == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_failed_save_leaves_the_old_folder_as_it_was(folder, model, images, monkeypatch, code):
    before, logits = content(folder), to_numpy(model(images))

    def write(path, tensors):
        path.write_bytes(b"half a file")
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(checkpoints, "write", write)
    model.get_layer("head").logits.bias.assign(np.ones(3, "float32"))
    with pytest.raises(OSError, match=f"mine could not be saved: {os.strerror(code)}.*What was there is unchanged"):
        model.save_to_preset(folder)
    assert content(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    np.testing.assert_array_equal(to_numpy(ViT.from_preset(folder)(images)), logits)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_place_is_refused(folder, model):
    before = content(folder)
    folder.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="What was there is unchanged"):
            model.save_to_preset(folder)
    finally:
        folder.parent.chmod(0o700)
    assert content(folder) == before


def test_files_of_others_are_not_replaced(tmp_path, model):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="holds files that keras_vit did not write"):
        model.save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        model.save_to_preset(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
