"""Certificates: they hold on every backend and dtype, and notice what is wrong."""

import json

import numpy as np
import pytest
from keras import ops

from keras_vit import ViT, checkpoints
from keras_vit.models import VerificationError
from tests.models.vit.configs import TINY


@pytest.fixture
def model(randomise):
    model = ViT(**TINY)
    randomise(model)
    return model


@pytest.fixture
def folder(tmp_path, model):
    return model.save_to_preset(tmp_path / "mine", certify=True)


def spoil(folder, name, change):
    with checkpoints.read(folder / "model.safetensors") as stored:
        tensors = {each: np.array(stored[each]) for each in stored}
    tensors[name] = change(tensors[name])
    checkpoints.write(folder / "model.safetensors", tensors)


def test_a_loaded_model_is_verified(folder):
    result = ViT.from_preset(folder).verify()
    assert result.blocks.keys() == {"encoder_0", "encoder_1"}
    assert max(result.blocks.values()) < 1e-5
    assert result.outputs < 1e-5
    assert "verified in float32: outputs within" in str(result)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_half_precision_has_its_own_tolerance(folder, dtype):
    result = ViT.from_preset(folder, dtype=dtype).verify()
    assert 0 < result.outputs < result.tolerance
    assert result.tolerance > 1e-3


@pytest.mark.parametrize(
    ("name", "change", "where"),
    [
        ("blocks.1.mlp.fc2.weight", lambda array: array[:, ::-1].copy(), "encoder_1"),
        ("blocks.0.norm1.weight", lambda array: array + 0.05, "encoder_0"),
        ("pos_embed", np.zeros_like, "encoder_0"),
        ("head.bias", lambda array: array + 0.1, "the outputs"),
    ],
)
def test_wrong_weights_are_noticed_where_they_act(folder, name, change, where):
    spoil(folder, name, change)
    model = ViT.from_preset(folder)
    with pytest.raises(VerificationError, match=f"differs from its certificate, first at {where}: by"):
        model.verify()


def test_another_epsilon_is_noticed(folder):
    settings = json.loads((folder / "config.json").read_text())
    settings["keras_vit"]["config"]["norm_epsilon"] = 0.01
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(VerificationError, match="first at encoder_0"):
        ViT.from_preset(folder).verify()


def test_models_without_a_valid_certificate_say_so(tmp_path, folder, model, rng):
    changed = ViT.from_preset(folder, image_size=(16, 8))
    trained = ViT.from_preset(folder)
    trained.compile("sgd", "mse")
    trained.fit(rng.normal(size=(2, 8, 12, 3)), np.zeros((2, 3)), verbose=0)
    plain = ViT.from_preset(model.save_to_preset(tmp_path / "plain"))
    for each in (changed, trained, plain, model):
        with pytest.raises(ValueError, match=r"verify needs a model .* from a preset with a certificate"):
            each.verify()


@pytest.mark.parametrize(
    ("certificate", "message"),
    [
        ({}, "damaged: KeyError"),
        ({"blocks": [], "outputs": [], "tolerances": {}}, "damaged"),
        ({"blocks": {}, "outputs": [1.0], "tolerances": {}, "seed": 0, "input_shape": [1, 8, 12, 3]}, "other layers"),
    ],
)
def test_a_damaged_certificate_is_refused(folder, certificate, message):
    model = ViT.from_preset(folder)
    model.certificate = certificate
    with pytest.raises(ValueError, match=message):
        model.verify()


def test_the_certificate_holds_numbers_that_were_computed_by_hand_from_the_model(folder, model):
    recorded = json.loads((folder / "config.json").read_text())["keras_vit"]["certificate"]
    images = np.random.RandomState(0).standard_normal((1, 8, 12, 3)).astype("float32")
    assert recorded["input_shape"] == [1, 8, 12, 3]
    np.testing.assert_allclose(recorded["outputs"], np.asarray(model.predict(images, verbose=0))[0], rtol=1e-4)
    tokens = np.asarray(ops.convert_to_numpy(model.features(images, layers=-1)))
    assert recorded["blocks"]["encoder_1"][0] == pytest.approx(tokens.mean(), abs=1e-5)
    assert recorded["blocks"]["encoder_1"][2] == pytest.approx(tokens.ravel()[0], rel=1e-4)
    assert recorded["blocks"]["encoder_1"][-1] == pytest.approx(tokens.ravel()[-1], rel=1e-4)


def test_the_preset_in_the_package_is_verified():
    assert ViT.from_preset("vit_digits").verify().outputs < 1e-3
