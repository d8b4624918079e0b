"""Adapters: put onto their base as a whole, or refused with all that does not fit."""

import json
import shutil

import keras
import numpy as np
import pytest
import safetensors.numpy

import keras_vit
from keras_vit import EVA, ViT
from tests.models.eva.configs import TINY as EVA_TINY
from tests.models.vit.configs import TINY

FIELDS = {**TINY, "depth": 1}


@pytest.fixture
def base(randomise, tmp_path):
    model = ViT(**FIELDS, labels=["ant", "bee", "cat"], provenance={"license": "apache-2.0"})
    randomise(model)
    return model.save_to_preset(tmp_path / "base")


@pytest.fixture
def model(base, rng):
    model = keras_vit.from_preset(base, num_classes=2, image_size=16)
    model.enable_lora(2, roles=("qkv", "projection"), alpha=3)
    for path, weight in model.weights_by_path().items():
        if "lora" in path or path.startswith("head/"):
            weight.assign(rng.normal(size=tuple(weight.shape)).astype("float32"))
    model.labels = ("cold", "warm")
    return model


@pytest.fixture
def folder(model, tmp_path):
    return model.save_adapter(tmp_path / "adapter")


def rewrite(folder, change=None, **settings):
    """Changes the files of an adapter, as a hand, PEFT or a broken download might."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    if change is not None:
        tensors = safetensors.numpy.load_file(folder / "adapter_model.safetensors")
        change(tensors)
        safetensors.numpy.save_file(tensors, folder / "adapter_model.safetensors")  # without our section


def test_a_preset_may_be_an_adapter_that_names_its_base(folder, model, base, rng):
    loaded = keras_vit.from_preset(folder)

    images = rng.normal(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    assert (loaded.config, loaded.labels, loaded.lora) == (model.config, model.labels, model.lora)
    assert loaded.provenance["license"] == "apache-2.0"
    assert loaded.base == {"name": str(base), "revision": None}
    assert {row.status for row in loaded.load_report.rows} <= {"loaded", "resampled"}
    assert {path for path, each in loaded.weights_by_path().items() if each.trainable} == {
        path for path, each in model.weights_by_path().items() if each.trainable
    }


def test_an_adapter_gets_another_head_where_that_is_asked_for(folder):
    loaded = keras_vit.from_preset(folder, num_classes=5)
    assert (loaded.config.num_classes, loaded.labels) == (5, None)
    assert loaded.lora is not None


def test_an_adapter_is_put_onto_a_model_that_is_there(folder, model, base, rng):
    other = keras_vit.from_preset(base, num_classes=2, image_size=16)

    other.load_adapter(folder)

    images = rng.normal(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(other.predict(images, verbose=0), model.predict(images, verbose=0))
    with pytest.raises(ValueError, match="load_adapter needs a model without LoRA"):
        other.load_adapter(folder)


def test_what_peft_wrote_fits_by_its_tensors_alone(folder, base, model, rng):
    rewrite(folder, lambda tensors: None, target_modules=["qkv"], r=2)

    loaded = keras_vit.from_preset(folder, image_size=16)

    images = rng.normal(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


def test_all_that_does_not_fit_is_listed_and_nothing_changes(folder, base):
    def spoil(tensors):
        prefix = "base_model.model.blocks.0.attn"
        tensors["base_model.model.blocks.7.attn.qkv.lora_A.weight"] = np.zeros((2, 8), "float32")
        tensors[f"{prefix}.qkv.lora_A.weight"] = np.zeros((3, 8), "float32")
        tensors[f"{prefix}.proj.lora_A.weight"][0, 0] = np.nan
        del tensors[f"{prefix}.qkv.lora_B.weight"]

    rewrite(folder, spoil)
    model = keras_vit.from_preset(base, num_classes=2, image_size=16)

    with pytest.raises(ValueError, match="does not fit the model, which is unchanged") as caught:
        model.load_adapter(folder)

    for line in (
        "+ in the file, not in the model: blocks.7.attn.qkv.lora_A.weight",
        "- in the model, not in the file: blocks.0.attn.qkv.lora_B.weight",
        "~ shape of blocks.0.attn.qkv.lora_A.weight: (3, 8) in the file, (2, 8) in the model",
        "! not finite: blocks.0.attn.proj.lora_A.weight",
    ):
        assert line in str(caught.value)
    assert model.lora is None
    assert len(model.trainable_weights) == len(model.weights)


# EVA-02: queries, keys and values are one layer here, three modules of timm.

MODULES = [f"base_model.model.blocks.0.attn.{letter}_proj" for letter in "qkv"]


@pytest.fixture
def split_model(randomise, rng, tmp_path):
    model = EVA(**{**EVA_TINY, "depth": 1})
    randomise(model)
    model = keras_vit.from_preset(model.save_to_preset(tmp_path / "eva"))
    model.enable_lora(2, roles=("qkv",))
    for path, weight in model.weights_by_path().items():
        if "lora" in path:
            weight.assign(rng.normal(size=tuple(weight.shape)).astype("float32"))
    return model


def test_parts_of_a_layer_that_are_modules_of_their_own_share_what_goes_in(split_model, tmp_path, rng):
    folder = split_model.save_adapter(tmp_path / "split")
    tensors = safetensors.numpy.load_file(folder / "adapter_model.safetensors")
    matrices = [tensors[f"{module}.lora_A.weight"] for module in MODULES]
    assert all(np.array_equal(matrix, matrices[0]) for matrix in matrices)
    stacked = np.concatenate([tensors[f"{module}.lora_B.weight"] for module in MODULES])
    weights = split_model.weights_by_path()
    np.testing.assert_array_equal(stacked.T, weights["encoder_0/attention/qkv/lora_kernel_b"].numpy())
    images = rng.normal(size=(2, 8, 12, 3)).astype("float32")
    again = keras_vit.from_preset(folder)
    np.testing.assert_array_equal(again.predict(images, verbose=0), split_model.predict(images, verbose=0))


def test_a_part_without_matrices_stays_as_it_is_and_parts_of_their_own_are_refused(split_model, tmp_path):
    folder = split_model.save_adapter(tmp_path / "split")
    rewrite(folder, lambda tensors: [tensors.pop(f"{MODULES[1]}.lora_{side}.weight") for side in "AB"])
    up = keras_vit.from_preset(folder).weights_by_path()["encoder_0/attention/qkv/lora_kernel_b"].numpy()
    assert [bool(part.any()) for part in np.split(up, 3, axis=1)] == [True, False, True]

    def double(tensors):
        tensors[f"{MODULES[2]}.lora_A.weight"] *= 2

    rewrite(folder, double)
    with pytest.raises(ValueError, match=r"lora_A of blocks.0.attn.q_proj, .*v_proj differ; encoder_0/attention/qkv"):
        keras_vit.from_preset(folder)


def test_another_head_or_base_is_refused(folder, base, tmp_path, randomise):
    with pytest.raises(ValueError, match=r"shape of head.weight: \(2, 8\) in the file, \(3, 8\) in the model"):
        keras_vit.from_preset(base).load_adapter(folder)

    other = ViT(**FIELDS)
    randomise(other)
    shutil.rmtree(base)
    other.save_to_preset(base)
    with pytest.raises(ValueError, match="its kernels are not those that the adapter was learned on"):
        keras_vit.from_preset(folder)

    shutil.rmtree(base)
    ViT(**{**FIELDS, "depth": 2}).save_to_preset(base)
    with pytest.raises(ValueError, match="learned on another model than its base .*: depth 1, not 2"):
        keras_vit.from_preset(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "IA3"}, "needs to be an adapter with peft_type 'LORA'; got 'IA3'"),
        ({"use_dora": True, "bias": "all"}, "use_dora needs to be False, got True; bias needs to be 'none', got 'all'"),
        ({"r": 0}, "r needs to be a whole number >= 1, got 0"),
        ({"lora_alpha": "8"}, "lora_alpha needs to be a number > 0, got '8'"),
        ({"base_model_name_or_path": 5}, "base_model_name_or_path needs to name a preset, got 5"),
        ({"base_model_name_or_path": None}, "got None. Load the model that it was learned on, and put it onto that"),
    ],
    ids=str,
)
def test_adapters_of_other_kinds_are_refused(folder, settings, message):
    rewrite(folder, **settings)
    with pytest.raises(ValueError, match=message):
        keras_vit.from_preset(folder)


def test_the_licences_of_both_are_kept(folder):
    assert keras_vit.from_preset(folder).provenance["license"] == "apache-2.0"

    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    provenance = keras_vit.from_preset(folder).provenance

    assert provenance["license"] == "other"
    assert provenance["license_name"] == "apache-2.0 (base) and cc-by-nc-4.0 (adapter)"


def test_a_downloaded_adapter_names_no_folder_of_this_machine(hub_server, model, tmp_path):
    model.base = {"name": "me/base", "revision": None}
    folder = model.push_adapter("me/warm", dry_run=tmp_path / "warm")
    rewrite(folder, base_model_name_or_path=str(tmp_path / "base"))
    target = {"token": "hf_me", "endpoint": hub_server.endpoint}
    keras_vit.upload_preset("me/warm", folder, **target)

    with pytest.raises(ValueError, match="base_model_name_or_path needs to be a repository, owner/name"):
        keras_vit.from_preset("me/warm", **target)
    assert not hub_server.log("adapter_model.safetensors")


def test_an_adapter_that_would_make_its_base_enormous_is_refused(model, tmp_path):
    model.config = model.config.replace(image_size=16384, patch_size=1)
    folder = model.save_adapter(tmp_path / "adapter")
    with pytest.raises(ValueError, match="is refused: its settings describe a model of about 2.1 billion weights"):
        keras_vit.from_preset(folder)


def test_a_whole_model_is_no_adapter_and_an_adapter_no_base(folder, base):
    with pytest.raises(ValueError, match="load_adapter needs an adapter; .* is a whole model. Use from_preset"):
        ViT(**FIELDS).load_adapter(base)
    rewrite(folder, base_model_name_or_path=str(folder))
    with pytest.raises(ValueError, match="needs a base that is a whole model; .* is an adapter itself"):
        keras_vit.from_preset(folder)


def test_an_adapted_model_trains_on(folder, rng):
    model = keras_vit.from_preset(folder)
    model.compile("sgd", "mse", jit_compile=keras.backend.backend() == "jax")
    before = np.asarray(model.weights_by_path()["encoder_0/attention/qkv/lora_kernel_a"].numpy()).copy()
    model.fit(rng.normal(size=(2, 16, 16, 3)).astype("float32"), np.ones((2, 2), "float32"), verbose=0)
    assert (np.asarray(model.weights_by_path()["encoder_0/attention/qkv/lora_kernel_a"].numpy()) != before).any()
    assert model.base is not None
