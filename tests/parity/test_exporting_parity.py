"""Export on TensorFlow, run by TensorFlow, ONNX Runtime and LiteRT, each by itself: equal logits, any number of images.

The other backends of Keras export with a fixed number of images at most, so a process of its own has TensorFlow.
"""

import pytest

pytestmark = pytest.mark.parity

EXPORT = """
import sys
import numpy as np
import keras_vit

path, format, shares = sys.argv[1], sys.argv[2], sys.argv[3] == "raw"
model = keras_vit.ViT(image_size=(32, 48), patch_size=8, embed_dim=48, depth=3, num_heads=3, num_classes=11)
rng = np.random.default_rng(0)
for weight in model.weights:
    weight.assign(np.asarray(weight) + rng.normal(scale=0.1, size=weight.shape))
model.export(path, format=format, with_preprocessing=shares, verbose=False)
reference = model.with_preprocessing(pixel_dtype="uint8") if shares else model
for index, size in enumerate([(1, 32, 48), (2, 32, 48), (5, 32, 48), *([(3, 61, 50), (2, 20, 90)] if shares else [])]):
    images = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    images = images if shares else images.astype("float32") / 127.5 - 1
    np.savez(f"{path}.{index}.npz", images=images, logits=reference.predict(images, verbose=0))
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
files = sorted(glob.glob(sys.argv[1] + ".*.npz"))
for file in files:
    data = np.load(file)
    np.testing.assert_allclose(run(data["images"]), data["logits"], atol=2e-4, rtol=1e-4)
print(len(files), "keras_vit" in sys.modules)
"""


@pytest.mark.parametrize("pixels", ["model_input", "raw"])
@pytest.mark.parametrize(("format_name", "name"), [("tf_saved_model", "m"), ("onnx", "m.onnx"), ("litert", "m.tflite")])
def test_the_runtime_gives_keras_logits_for_any_number_of_images(run_python, tmp_path, format_name, name, pixels):
    path = tmp_path / name
    run_python(EXPORT, path, format_name, pixels, backend="tensorflow")

    printed = run_python("import sys\n" + RUN[format_name] + COMPARE, path)

    assert printed.split() == ["5" if pixels == "raw" else "3", "False"]
