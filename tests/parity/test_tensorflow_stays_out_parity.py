"""TensorFlow is not imported under the other backends, where it is installed beside them."""

import pytest

pytestmark = pytest.mark.parity

USES = """
import sys
import keras_vit

folder = sys.argv[1]
model = keras_vit.ViT.from_preset("vit_digits", image_size=16)
model = keras_vit.ViT.from_preset("vit_digits", pooling="attention", num_classes=10)
model.save_to_preset(folder, certify=True)
model = keras_vit.from_preset(folder)
train, test = keras_vit.data.load("digits", preprocessing=model.preprocessing, batch_size=64)
model.compile(**keras_vit.training.small_data(model, epochs=1, steps_per_epoch=1))
model.fit(train, validation_data=test, steps_per_epoch=1, validation_steps=1, verbose=0)
images, labels = next(iter(test))
model.evaluate(images, labels, verbose=0)
model.predict(images, verbose=0)
print("tensorflow" in sys.modules)
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_tensorflow_stays_out_from_loading_to_training(run_python, tmp_path, backend):
    pytest.importorskip("tensorflow")
    assert run_python(USES, tmp_path / "preset", backend=backend).split() == ["False"]
