"""transformers' DINOv3: settings and names, both ways; tests/parity compares with live models."""

import json

import numpy as np
import pytest

from keras_vit import EVA, checkpoints, from_preset
from keras_vit.models.eva.layouts import transformers_keys
from keras_vit.models.eva.layouts.transformers_settings import config_of
from tests.models.eva.configs import ALL, TINY

FIELDS = {**TINY, **ALL["dinov3"], "image_size": 8, "num_classes": 0}


def test_the_defaults_of_files_are_dinov3_s16():
    config = config_of({"model_type": "dinov3_vit"})
    assert (config.embed_dim, config.depth, config.num_heads, config.mlp_dim) == (384, 12, 6, 1536)
    assert (config.rotary, config.rotary_temperature, config.norm_epsilon) == ("centred", 100.0, 1e-5)
    assert (config.use_qkv_bias, config.use_key_bias, config.num_register_tokens) == (True, False, 0)


@pytest.mark.parametrize("changes", [{}, {"mlp": "swiglu"}, {"use_key_bias": True}, {"use_qkv_bias": False}], ids=str)
def test_what_is_written_is_read_again(changes, randomise, tmp_path):
    model = EVA(**{**FIELDS, **changes})
    randomise(model)
    again = from_preset(model.save_for_transformers(tmp_path / "model"))
    assert again.config == model.config.replace(rotary_grid=again.config.rotary_grid)  # which DINOv3 does not use
    for found, weight in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)


def test_names_of_models_in_memory_are_read_too(randomise, tmp_path):
    model = EVA(**{**FIELDS, "num_register_tokens": 0})
    randomise(model)
    folder = model.save_for_transformers(tmp_path / "model")
    tensors = checkpoints.collect(model.weights_by_path(), transformers_keys.entries(model.config, "model.layer."))
    unused = {"embeddings.mask_token": np.zeros((1, 1, 16)), "embeddings.register_tokens": np.zeros((1, 0, 16))}
    checkpoints.write(folder / "model.safetensors", tensors | unused)
    again = from_preset(folder)
    assert set(again.load_report.ignored) == set(unused)
    for found, weight in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)


def test_settings_of_the_file_are_those_of_transformers(tmp_path):
    settings = json.loads((EVA(**FIELDS).save_for_transformers(tmp_path / "model") / "config.json").read_text())
    assert (settings["architectures"], settings["model_type"]) == (["DINOv3ViTModel"], "dinov3_vit")
    assert (settings["image_size"], settings["patch_size"], settings["hidden_act"]) == (8, 4, "gelu")
    assert (settings["query_bias"], settings["key_bias"], settings["rope_theta"]) == (True, False, 100.0)


@pytest.mark.parametrize("name", ["eva02", "rope", "sapiens2"])
def test_what_transformers_does_not_have_is_named(name, tmp_path):
    model = EVA(**{**TINY, **ALL[name]})
    with pytest.raises(ValueError, match="transformers cannot build this model; DINOv3ViTModel, its closest class"):
        model.save_for_transformers(tmp_path / "model")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architectures": ["DINOv3ViTForPoetry"]}, "needs architectures to name DINOv3ViTModel or DINOv3ViTBackbone"),
        ({"use_gated_mlp": True}, "hidden_act needs to be 'silu'; got 'gelu'"),
        ({"query_bias": False}, "value_bias needs to be False; got True"),
        ({"mlp_bias": False}, "mlp_bias needs to be True; got False"),
        ({"hidden_size": "384"}, "hidden_size needs a whole number >= 1; got '384'"),
        ({"hidden_size": 380}, "num_heads needs to divide embed_dim=380"),
    ],
)
def test_other_architectures_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config_of({"model_type": "dinov3_vit", **settings})
