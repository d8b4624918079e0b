"""Adapters: what is written of a model with LoRA, and what is published."""

import json

import numpy as np
import pytest
import safetensors.numpy

import keras_vit
from keras_vit import ViT, hub
from tests.hub.records import code_of
from tests.models.vit.configs import TINY

NAMES = ["LICENSE", "README.md", "adapter_config.json", "adapter_model.safetensors"]


@pytest.fixture
def base(randomise, tmp_path):
    """A preset folder to learn on."""
    model = ViT(**{**TINY, "depth": 1, "embed_dim": 32}, labels=["ant", "bee", "cat"])
    randomise(model)
    return model.save_to_preset(tmp_path / "base")


@pytest.fixture
def model(base, randomise):
    """The base with LoRA, as after some training."""
    model = keras_vit.from_preset(base, num_classes=2)
    model.enable_lora(2, roles=("qkv", "mlp"), alpha=3)
    for path, weight in model.weights_by_path().items():
        if "lora" in path or path.startswith("head/"):
            weight.assign(np.random.default_rng(len(path)).normal(size=tuple(weight.shape)).astype("float32"))
    model.labels = ("cold", "warm")
    return model


def test_a_folder_holds_pefts_layout_with_timms_names(model, base, tmp_path):
    folder = model.save_adapter(tmp_path / "adapter")

    settings = json.loads((folder / "adapter_config.json").read_text())
    tensors = safetensors.numpy.load_file(folder / "adapter_model.safetensors")
    weights = model.weights_by_path()
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert settings["base_model_name_or_path"] == str(base)
    assert (settings["peft_type"], settings["r"], settings["lora_alpha"]) == ("LORA", 2, 3)
    assert settings["target_modules"] == ["blocks.0.attn.qkv", "blocks.0.mlp.fc1", "blocks.0.mlp.fc2"]
    assert settings["modules_to_save"] == ["head"]
    prefix = "base_model.model."
    shapes = {name.removeprefix(prefix): array.shape for name, array in tensors.items()}
    assert shapes == {
        "blocks.0.attn.qkv.lora_A.weight": (2, 32),
        "blocks.0.attn.qkv.lora_B.weight": (96, 2),
        "blocks.0.mlp.fc1.lora_A.weight": (2, 32),
        "blocks.0.mlp.fc1.lora_B.weight": (64, 2),
        "blocks.0.mlp.fc2.lora_A.weight": (2, 64),
        "blocks.0.mlp.fc2.lora_B.weight": (32, 2),
        "head.weight": (2, 32),
        "head.bias": (2,),
    }
    matrix = np.asarray(weights["encoder_0/mlp/expand/lora_kernel_b"].numpy())
    np.testing.assert_array_equal(tensors[f"{prefix}blocks.0.mlp.fc1.lora_B.weight"], matrix.T)
    size = (folder / "adapter_model.safetensors").stat().st_size
    assert size < 0.35 * (base / "model.safetensors").stat().st_size


def test_an_adapter_is_pushed_alone_and_loaded_with_its_base(hub_server, model, base, rng):
    target = {"token": "hf_me", "endpoint": hub_server.endpoint}
    commit = hub.upload_preset("me/base", base, **target).commit
    on_hub = keras_vit.from_preset("me/base", num_classes=2, **target)
    on_hub.enable_lora(2, roles=("qkv", "mlp"), alpha=3)
    on_hub.set_weights(model.get_weights())

    done = on_hub.push_adapter("me/warm", commit_message="Warm", **target)
    hub_server.requests.clear()
    loaded = keras_vit.from_preset("me/warm", **target)

    assert sorted(done.files) == sorted(hub_server.files("me/warm")) == NAMES
    images = rng.normal(size=(2, 8, 12, 3)).astype("float32")
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0), rtol=1e-5, atol=1e-5
    )
    assert loaded.base == on_hub.base == {"name": "me/base", "revision": commit}
    fetched = {name for name in NAMES if hub_server.log(f"me/warm/resolve/{done.commit}/{name}")}
    assert fetched == {"README.md", "adapter_config.json", "adapter_model.safetensors"}


def test_the_card_names_the_base_and_keeps_its_licence(model, tmp_path, monkeypatch):
    model.base = {"name": "facebook/mae", "revision": None}
    model.provenance = {"license": "cc-by-nc-4.0", "source": {"repo_id": "facebook/mae"}}

    folder = model.push_adapter("me/warm", dry_run=tmp_path / "warm")

    card = (folder / "README.md").read_text()
    assert hub.check_card(folder) == []
    for line in ("license: cc-by-nc-4.0", "base_model: facebook/mae", "base_model_relation: adapter", "  - lora"):
        assert f"\n{line}\n" in card
    assert "rank 2, alpha 3, on `attn.qkv`, `mlp.fc1`, `mlp.fc2`" in card
    assert "huggingface.co/facebook/mae" in (folder / "LICENSE").read_text()
    with pytest.raises(ValueError, match="cc-by-nc-4.0"):
        model.push_adapter("me/warm", license="mit", dry_run=tmp_path / "other")


def test_a_card_of_an_adapter_without_its_base_is_faulty(model, tmp_path):
    model.base = {"name": "me/base", "revision": None}
    folder = model.push_adapter("me/warm", dry_run=tmp_path / "warm")
    card = (folder / "README.md").read_text().replace("base_model_relation: adapter", "base_model_relation: finetune")
    (folder / "README.md").write_text(card)

    (fault,) = hub.check_card(folder)

    assert fault.startswith("The metadata of an adapter need its base_model, and base_model_relation: adapter")


def test_the_examples_of_the_card_run_as_printed(model, tmp_path, monkeypatch, rng):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    folder = model.save_adapter("warm")
    Image.fromarray(rng.integers(256, size=(20, 30, 3)).astype("uint8")).save("image.png")
    expected = model.classify("image.png")

    examples = [code for code in code_of((folder / "README.md").read_text()) if "import keras_vit" in code]

    assert len(examples) == 3
    for example in examples:
        found = {}
        exec(example, found)
        if "num_classes=3" not in example:
            assert dict(found["model"].classify("image.png")) == pytest.approx(dict(expected), abs=1e-5)


def test_an_adapter_replaces_an_older_one_but_not_that_of_others(model, tmp_path):
    folder = model.save_adapter(tmp_path / "adapter")
    assert model.save_adapter(folder) == folder

    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="holds files that keras_vit did not write: adapter_config.json"):
        model.save_adapter(tmp_path / "foreign")


def test_what_cannot_be_saved_is_said(model, tmp_path):
    plain = ViT(**{**TINY, "depth": 1})
    with pytest.raises(ValueError, match="save_adapter needs a model with LoRA"):
        plain.save_adapter(tmp_path / "adapter")
    plain.enable_lora(1)
    with pytest.raises(ValueError, match="save_adapter needs to name the model that LoRA was put on"):
        plain.save_adapter(tmp_path / "adapter")
    with pytest.raises(ValueError, match="push_adapter needs a base on the Hub"):
        model.push_adapter("me/warm", dry_run=tmp_path / "adapter")
    fused = ViT(**{**TINY, "depth": 1}, order="parallel")
    fused.enable_lora(1)
    with pytest.raises(ValueError, match="save_adapter needs layers that timm stores one by one; got encoder_0/"):
        fused.save_adapter(tmp_path / "adapter", base="me/base")
    model.get_layer("head").logits.bias.assign(np.full(2, np.nan, "float32"))
    with pytest.raises(ValueError, match=r"finite weights; got NaN or infinity in base_model\.model\.head\.bias"):
        model.save_adapter(tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_a_base_that_was_trained_is_no_longer_what_it_was_loaded_from(base):
    model = keras_vit.from_preset(base)
    model.freeze()
    model.forget_measurements()
    assert model.base == {"name": str(base), "revision": None}
    model.unfreeze()
    model.forget_measurements()
    assert model.base is None
