"""Adapters against live PEFT on timm's models: what one writes, the other computes."""

import re

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import EVA, ViT
from keras_vit.preprocessing import Preprocessing
from tests.hub.records import code_of
from tests.models.eva.configs import TINY as EVA_TINY
from tests.models.vit.configs import TINY

pytestmark = pytest.mark.parity

peft = pytest.importorskip("peft", exc_type=ImportError)


@pytest.fixture(params=[{}, {"use_class_token": False, "pooling": "attention"}, {"num_classes": 0}], ids=str)
def base(request, randomise, tmp_path):
    model = ViT(
        **{**TINY, "image_size": 16, "patch_size": 4, **request.param},
        preprocessing=Preprocessing(image_size=16, mean=(0.4,), std=(0.3,)),
    )
    randomise(model)
    return model.save_to_preset(tmp_path / "base")


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 16, 16, 3)).astype("float32")


def on_timm(base, **arguments):
    import timm

    return timm.create_model(f"local-dir:{base}", pretrained=True, **arguments).eval()


def logits_of(model, images):
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def adapt(model, rng):
    model.enable_lora(2, roles=("qkv", "projection", "mlp"), alpha=3)
    for path, weight in model.weights_by_path().items():
        if "lora" in path or path.startswith("head/"):
            weight.assign(rng.normal(scale=0.3, size=tuple(weight.shape)).astype("float32"))


def test_peft_puts_our_adapter_onto_the_model_of_timm(base, images, rng, tmp_path):
    model = keras_vit.from_preset(base)
    adapt(model, rng)
    folder = model.save_adapter(tmp_path / "adapter")

    adapted = peft.PeftModel.from_pretrained(on_timm(base), folder).eval()

    expected = model.predict(images, verbose=0)
    assert np.abs(expected - keras_vit.from_preset(base).predict(images, verbose=0)).max() > 0.1
    np.testing.assert_allclose(logits_of(adapted, images), expected, atol=1e-4)


def test_peft_puts_our_adapter_onto_modules_that_are_one_layer_here(randomise, images, rng, tmp_path):
    model = EVA(**{**EVA_TINY, "image_size": 16}, preprocessing=Preprocessing(image_size=16, mean=(0.4,), std=(0.3,)))
    randomise(model)
    base = model.save_to_preset(tmp_path / "base")
    model = keras_vit.from_preset(base)
    adapt(model, rng)

    adapted = peft.PeftModel.from_pretrained(on_timm(base), model.save_adapter(tmp_path / "adapter")).eval()

    expected = model.predict(images, verbose=0)
    assert np.abs(expected - keras_vit.from_preset(base).predict(images, verbose=0)).max() > 0.1
    np.testing.assert_allclose(logits_of(adapted, images), expected, atol=1e-4)


def test_we_load_what_peft_learned_on_the_model_of_timm(base, images, tmp_path):
    import torch

    has_head = keras_vit.from_preset(base).config.num_classes > 0
    torch.manual_seed(0)
    settings = peft.LoraConfig(
        r=2, lora_alpha=3, target_modules=r"blocks\..*\.(qkv|fc1)", modules_to_save=["head"] if has_head else None
    )
    adapted = peft.get_peft_model(on_timm(base), settings).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.normal_(std=0.3)
    expected = logits_of(adapted, images)
    adapted.save_pretrained(tmp_path / "theirs")

    model = keras_vit.from_preset(base)
    model.load_adapter(tmp_path / "theirs")

    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-4)


def test_the_example_for_peft_runs_as_printed(images, randomise, rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = ViT(**{**TINY, "image_size": 16, "patch_size": 4})
    randomise(model)
    model = keras_vit.from_preset(model.save_to_preset("base"), num_classes=2)
    adapt(model, rng)
    folder = model.save_adapter("adapter")
    Image.fromarray(np.zeros((16, 16, 3), "uint8")).save("image.png")

    (example,) = [code for code in code_of((folder / "README.md").read_text()) if re.search("import timm", code)]
    found = {}
    exec(example, found)

    np.testing.assert_allclose(logits_of(found["model"], images), model.predict(images, verbose=0), atol=1e-4)
