"""The callback that publishes the best model: what reaches the local hub while `fit` runs, and after failures."""

import re
import threading
import types
import warnings

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.models import ViT
from keras_vit.training import PushToHub

COMMIT = r"POST .*/commit/"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("keras_vit.hub.upload_errors.time", types.SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def model(tiny_preset):
    return ViT.from_preset(tiny_preset)


@pytest.fixture
def callback(hub_server):
    def make(**options):
        return PushToHub("me/vit", **{"token": "hf_me", "endpoint": hub_server.endpoint, **options})

    return make


def set_bias(model, value):
    """Makes every epoch's model another one."""
    model.get_layer("head").logits.bias.assign(np.full(10, value, "float32"))


def train(model, callback, scores, name="val_accuracy"):
    """Calls the callback as `fit` does, with made-up scores; the bias of an epoch is its number."""
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, score in enumerate(scores):
        set_bias(model, epoch + 1)
        callback.on_epoch_end(epoch, {"accuracy": 0.9, name: score})
    callback.on_train_end()


def titles(hub_server):
    commits = hub_server.repositories["me/vit"].commits.values()
    return [commit.title for commit in commits][1:]


def published_epoch(hub_server):
    loaded = keras_vit.from_preset("me/vit", token="hf_me", endpoint=hub_server.endpoint)
    return keras.ops.convert_to_numpy(loaded.get_layer("head").logits.bias.value)[0]


def test_each_improvement_is_published_and_nothing_else(hub_server, model, callback):
    push = callback(in_background=False)
    train(model, push, [0.5, 0.4, 0.7, 0.7])
    assert titles(hub_server) == ["Epoch 1: val_accuracy 0.5", "Epoch 3: val_accuracy 0.7"]
    assert published_epoch(hub_server) == 3
    assert push.published.commit == hub_server.repositories["me/vit"].refs["refs/heads/main"]


def test_a_loss_improves_by_falling(hub_server, model, callback):
    train(model, callback(monitor="my_loss", in_background=False), [0.5, 0.4, 0.7], "my_loss")
    assert titles(hub_server) == ["Epoch 1: my_loss 0.5", "Epoch 2: my_loss 0.4"]


def test_the_mode_can_be_told(hub_server, model, callback):
    train(model, callback(monitor="distance", mode="min", in_background=False), [0.5, 0.4], "distance")
    assert published_epoch(hub_server) == 2


def test_training_goes_on_while_a_slow_upload_runs_and_only_the_best_follows(hub_server, model, callback):
    go_on = threading.Event()

    def hold(answer):
        go_on.wait(60)
        return answer

    class Scores(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_accuracy"] = [0.1, 0.2, 0.3, 0.25][epoch]
            set_bias(self.model, epoch + 1)
            if epoch == 3:
                go_on.set()

    hub_server.fail("POST /api/repos/create", body=hold)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = np.linspace(-1, 1, 128, dtype="float32").reshape(2, 8, 8, 1), np.array([0, 1])

    model.fit(images, labels, epochs=4, callbacks=[Scores(), callback()], verbose=0)

    assert titles(hub_server) == ["Epoch 1: val_accuracy 0.1", "Epoch 3: val_accuracy 0.3"]
    assert published_epoch(hub_server) == 3


def test_a_failure_warns_once_and_the_next_improvement_is_tried(hub_server, model, callback):
    hub_server.fail(COMMIT, status=403, times=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(model, callback(in_background=False), [0.1, 0.2, 0.3])
    (message,) = [str(each.message) for each in caught if "PushToHub" in str(each.message)]
    assert message.startswith("PushToHub: me/vit was not published: the token has no permission")
    assert titles(hub_server) == ["Epoch 3: val_accuracy 0.3"]


@pytest.mark.filterwarnings("ignore:PushToHub:UserWarning")
def test_the_end_of_the_training_is_the_last_try(hub_server, model, callback):
    hub_server.fail(COMMIT, status=403)
    train(model, callback(in_background=False), [0.5, 0.4, 0.3])
    assert titles(hub_server) == ["Epoch 1: val_accuracy 0.5"]
    assert published_epoch(hub_server) == 1


def test_what_could_not_be_published_is_kept(hub_server, model, callback, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    hub_server.fail("", hang_up=True, times=999)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(model, callback(), [0.5, 0.6, 0.4])
    messages = [str(each.message) for each in caught if "PushToHub" in str(each.message)]
    assert len(messages) <= 2  # one while it trained, unless it had ended by then; one at the end
    assert "cannot be reached" in messages[-1]
    assert "hf_me" not in "".join(messages)
    folder = re.search(r"It is kept in (\S+); publish it with", messages[-1])[1]
    hub_server.faults.clear()

    keras_vit.upload_preset("me/vit", folder, token="hf_me", endpoint=hub_server.endpoint)

    assert published_epoch(hub_server) == 2
    assert len(list(tmp_path.glob("keras_vit-*"))) == 1


@pytest.mark.filterwarnings("ignore:PushToHub. the Hub took too long:UserWarning")
def test_a_hub_that_hangs_does_not_keep_fit_from_returning(hub_server, model, callback, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    hub_server.fail("POST /api/repos/create", wait=60, times=2)
    with pytest.warns(UserWarning, match="could not publish the best model: the Hub took too long. It is kept in"):
        train(model, callback(timeout=0.2), [0.5])
    assert "me/vit" not in hub_server.repositories
    (kept,) = tmp_path.glob("*/vit")
    assert "model.safetensors" in {path.name for path in kept.iterdir()}


def test_without_the_score_the_model_at_the_end_is_published(hub_server, model, callback):
    with pytest.warns(UserWarning, match="needs monitor='val_accuracy' in the logs; got .*accuracy"):
        train(model, callback(), [0.5, 0.6], "other")
    assert titles(hub_server) == ["End of the training"]
    assert published_epoch(hub_server) == 2


def test_weights_that_are_not_finite_are_not_published(hub_server, model, callback):
    push = callback(in_background=False)
    push.set_model(model)
    push.on_train_begin()
    push.on_epoch_end(0, {"val_accuracy": 0.1})
    set_bias(model, np.nan)
    with pytest.warns(UserWarning, match="could not write the model: Saving needs finite weights"):
        push.on_epoch_end(1, {"val_accuracy": 0.2})
    push.on_train_end()
    assert titles(hub_server) == ["Epoch 1: val_accuracy 0.1"]


def test_the_published_model_loads_in_keras(hub_server, model, callback):
    train(model, callback(), [0.5])
    assert {"metadata.json", "model.weights.h5"} <= hub_server.files("me/vit").keys()
    assert b"library_name: keras\n" in hub_server.files("me/vit")["README.md"]


def test_an_unknown_licence_stops_before_the_first_epoch(hub_server, model, callback):
    model.provenance = {}
    with pytest.raises(ValueError, match="needs to know the licence"):
        train(model, callback(), [0.5])
    train(model, callback(license="apache-2.0"), [0.5])
    assert b"license: apache-2.0\n" in hub_server.files("me/vit")["README.md"]


@pytest.mark.parametrize(("options", "words"), [({"mode": "best"}, "mode"), ({"revision": "../x"}, "revision")])
def test_wrong_arguments_are_refused_at_once(options, words):
    with pytest.raises(ValueError, match=words):
        PushToHub("me/vit", **options)
    with pytest.raises(ValueError, match='"owner/name"'):
        PushToHub("vit")
