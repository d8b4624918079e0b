"""Export: the model runs outside of Keras, with any number of images at once."""

import keras
import numpy as np
import pytest

import keras_vit


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="Keras exports ONNX by tf2onnx on TensorFlow only")
# tf2onnx and the protobuf code it was generated with, none of it ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_runs_in_onnxruntime_with_equal_logits_and_a_free_batch_size(tmp_path, randomise):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = keras_vit.ViT.from_preset("vit_digits", load_weights=False)
    randomise(model)
    path = tmp_path / "model.onnx"

    model.export(path, format="onnx", verbose=False)

    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    for num_images in (1, 3, 7):
        images = np.random.default_rng(num_images).uniform(-1, 1, (num_images, 8, 8, 1)).astype("float32")
        (logits,) = session.run(None, {name: images})
        np.testing.assert_allclose(logits, model.predict(images, verbose=0), atol=2e-6, rtol=1e-5)
