import sys

import keras
import numpy as np
import pytest

from keras_vit.training.tensorboard import tensorboard_callback


def test_epochs_are_logged_with_keras_own_callback(tmp_path):
    pytest.importorskip("tensorflow", reason="Keras writes TensorBoard logs with TensorFlow")
    pytest.importorskip("tensorboard", reason="and TensorFlow with this")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    images, labels = np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32")
    folder = tmp_path / "tensorboard"
    (folder / "old").mkdir(parents=True)

    callback = tensorboard_callback(folder, is_resumed=False)
    model.fit(images, labels, validation_data=(images, labels), callbacks=[callback], verbose=0)

    assert not (folder / "old").exists()
    for part in ("train", "validation"):
        (events,) = (folder / part).glob("events.out.tfevents.*")
        assert b"epoch_loss" in events.read_bytes()
    tensorboard_callback(folder, is_resumed=True)
    assert (folder / "train").exists()


@pytest.mark.parametrize("package", ["tensorboard", "tensorflow.summary"])
def test_missing_packages_name_the_extra(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ImportError, match=r'pip install "keras3-vit\[tensorboard\]"'):
        tensorboard_callback(tmp_path, is_resumed=False)
