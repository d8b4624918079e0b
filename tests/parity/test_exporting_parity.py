"""Export on TensorFlow, run by TensorFlow, ONNX Runtime and LiteRT, each by itself: equal logits, any number of images.

The other backends of Keras export with a fixed number of images at most, so a process of its own has TensorFlow.
"""

import pytest

from keras_vit.models import catalogue
from tests.sampling import of_each_kind

pytestmark = pytest.mark.parity

NAMES = {"tf_saved_model": "model", "onnx": "model.onnx", "litert": "model.tflite"}

EXPORT = """
import importlib
import sys
import keras
import numpy as np
from keras_vit.models import catalogue
from tests.sampling import of_each_kind

folder, architecture, takes_raw = sys.argv[1], sys.argv[2], sys.argv[3] == "raw"
tests = catalogue.ARCHITECTURES[architecture].replace("keras_vit.", "tests.")
model = catalogue.model_class(architecture)(**importlib.import_module(f"{tests}.configs").TINY)
rng = np.random.default_rng(0)
for weight in model.weights:
    if keras.backend.is_float_dtype(weight.dtype):
        weight.assign(np.asarray(weight) + rng.normal(scale=0.1, size=weight.shape))
for arguments in sys.argv[4:]:
    format_name, name = arguments.split("=")
    model.export(f"{folder}/{name}", format=format_name, with_preprocessing=takes_raw, verbose=False)
reference = model.with_preprocessing(pixel_dtype="uint8") if takes_raw else model
sides = model.config.usual_size
shapes = [(1, *sides), (2, *sides), (5, *sides)] + [(3, 61, 50), (2, 20, 90)] * takes_raw
for index, shape in enumerate(shapes):
    images = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    images = images if takes_raw else images.astype("float32") / 127.5 - 1
    np.savez(f"{folder}/{index}.npz", images=images, logits=reference.predict(images, verbose=0))
"""

RUN = {
    "tf_saved_model": """
import tensorflow as tf
artifact = tf.saved_model.load(sys.argv[1])
run = lambda images: artifact.serve(images).numpy()
""",
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
run = lambda images: session.run(None, {session.get_inputs()[0].name: images})[0]
""",
    "litert": """
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1])
source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
def run(images):
    interpreter.resize_tensor_input(source, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, images)
    interpreter.invoke()
    return interpreter.get_tensor(target)
""",
}

COMPARE = """
import glob
import numpy as np
files = sorted(glob.glob(sys.argv[2] + "/*.npz"))
for file in files:
    data = np.load(file)
    np.testing.assert_allclose(run(data["images"]), data["logits"], atol=2e-4, rtol=1e-4)
print(len(files), "keras_vit" in sys.modules)
"""


@pytest.mark.parametrize(
    ("architecture", "pixels"),
    [("ViT", "model_input"), *((name, "raw") for name in of_each_kind(catalogue.ARCHITECTURES, ["Swin"]))],
)
def test_each_runtime_gives_keras_logits_for_any_number_of_images(run_python, tmp_path, architecture, pixels):
    formats = [f"{format_name}={name}" for format_name, name in NAMES.items()]
    run_python(EXPORT, tmp_path, architecture, pixels, *formats, backend="tensorflow")

    for format_name, name in NAMES.items():
        printed = run_python("import sys\n" + RUN[format_name] + COMPARE, tmp_path / name, tmp_path)
        assert printed.split() == ["5" if pixels == "raw" else "3", "False"], format_name


def test_jax_says_when_tensorflow_does_not_read_its_saved_model(run_python, tmp_path):
    code = """
import sys
import keras_vit
model = keras_vit.ViT(image_size=8, patch_size=4, embed_dim=8, depth=1, num_heads=2, num_classes=3)
try:
    model.export(sys.argv[1], verbose=False)
    print("runs")
except ValueError as error:
    print(error)
"""
    printed = run_python(code, tmp_path / "model", backend="jax")

    # Either is right; which one depends on the two versions. What never happens is a model that fails later.
    is_there = (tmp_path / "model").exists()
    assert is_there == printed.startswith("runs")
    assert is_there or "needs a TensorFlow that reads what JAX writes" in printed
