"""Export: the model runs outside of Keras, with any number of images at once.

SavedModel, LiteRT and preprocessing inside are run in tests/parity/test_exporting_parity.py: each takes seconds.
"""

import keras
import numpy as np
import pytest

from keras_vit.models import ViT, exporting

IS_TENSORFLOW = keras.config.backend() == "tensorflow"


@pytest.fixture
def model(randomise):
    model = ViT(image_size=8, patch_size=4, embed_dim=8, depth=1, num_heads=2, mlp_ratio=1.0, num_classes=3)
    randomise(model)
    return model


@pytest.mark.skipif(not IS_TENSORFLOW, reason="Keras exports ONNX by tf2onnx on TensorFlow only")
# tf2onnx and the protobuf code it was generated with, none of it ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_runs_in_onnxruntime_with_equal_logits_and_a_free_batch_size(model, tmp_path, rng):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"

    model.export(path, format="onnx", verbose=False)

    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    for num_images in (1, 3, 7):
        images = rng.uniform(-1, 1, (num_images, 8, 8, 3)).astype("float32")
        (logits,) = session.run(None, {name: images})
        np.testing.assert_allclose(logits, model.predict(images, verbose=0), atol=2e-6, rtol=1e-5)


def test_what_a_backend_cannot_write_is_said_before_anything_is_written(model, tmp_path, monkeypatch):
    for backend, format_name, path in (
        ("jax", "litert", "model.tflite"),
        ("torch", "litert", "model.tflite"),
        ("torch", "onnx", "model.onnx"),
        ("torch", "tf_saved_model", "model"),
    ):
        monkeypatch.setattr(keras.config, "backend", lambda backend=backend: backend)
        with pytest.raises(ValueError, match=rf"needs the backend tensorflow.*; got '{backend}'. Save the model here"):
            model.export(tmp_path / path, format=format_name)
    assert not list(tmp_path.iterdir())


def test_a_missing_converter_and_a_wrong_suffix_are_said(model, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "keras3-vit\[onnx\]"'):
        model.export(tmp_path / "model.onnx", format="onnx")
    with pytest.raises(ValueError, match=r"path that ends with '.tflite'; got .*model.lite"):
        model.export(tmp_path / "model.lite", format="litert")
