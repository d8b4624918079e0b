"""Quantised models: close to what they were, saved by Keras, and kept out of preset folders."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import ViT
from keras_vit.models.quantization import quantized_layers
from tests.models.vit import configs

TINY = {**configs.TINY, "depth": 1}


@pytest.fixture
def images(rng):
    return rng.normal(size=(4, 8, 12, 3)).astype("float32")


def dtypes_of(model):
    return {path: weight.dtype for path, weight in model.weights_by_path().items()}


def test_int8_rounds_dense_kernels_to_255_steps_and_stays_close(randomise, images):
    model = ViT(**TINY)
    randomise(model)
    kernel = ops.convert_to_numpy(model.get_layer("encoder_0").mlp.expand.kernel)
    logits = model.predict(images, verbose=0)

    model.quantize("int8")

    whole = {path for path, dtype in dtypes_of(model).items() if dtype == "int8"}
    dense = ("attention/qkv", "attention/projection", "mlp/expand", "mlp/contract")
    expected = {f"encoder_0/{name}/kernel" for name in dense}
    assert whole == {*expected, "head/logits/kernel"}
    scale = 127 / np.abs(kernel).max(axis=0)
    stored = model.weights_by_path()["encoder_0/mlp/expand/kernel"]
    np.testing.assert_allclose(ops.convert_to_numpy(stored.value), kernel * scale, atol=0.51)
    np.testing.assert_allclose(model.predict(images, verbose=0), logits, atol=0.05 * np.abs(logits).max())
    assert model.certificate is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "int8", "filters": "expand|qkv"},
        pytest.param({"mode": "int8"}, marks=pytest.mark.slow),
        pytest.param({"mode": "int4"}, marks=pytest.mark.slow),
    ],
)
def test_quantised_models_are_saved_and_loaded_by_keras(tmp_path, randomise, images, arguments):
    model = ViT(**TINY, remat=True)
    randomise(model)
    model.quantize(**arguments)
    logits = model.predict(images, verbose=0)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert dtypes_of(loaded) == dtypes_of(model)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), logits)
    assert quantized_layers(loaded).keys() == quantized_layers(model).keys() != set()


def test_preset_folders_refuse_quantised_models_before_anything_is_written(tmp_path):
    model = ViT(**TINY)
    model.quantize("int8")
    for save in (
        lambda: model.save_to_preset(tmp_path / "mine", certify=True),
        lambda: model.push_to_hub("me/mine", dry_run=tmp_path / "mine"),
    ):
        with pytest.raises(ValueError, match=r"hold float weights; this model is quantised \(int8\)\. Save it before"):
            save()
    assert not (tmp_path / "mine").exists()


def test_nothing_left_to_quantise_is_an_error():
    model = ViT(**TINY)
    with pytest.raises(ValueError, match="quantize needs dense layers that are not quantised yet; got mode='int8'"):
        model.quantize("int8", filters="no_such_layer")
    with pytest.raises(ValueError, match="int7"):
        model.quantize("int7")
