import signal
import threading

import keras
import pytest

from keras_vit.models import ViT
from keras_vit.training import callbacks
from keras_vit.training.callbacks import EpochSeeds, History, KeepBest, StopBetweenBatches


def test_epoch_seeds_depend_on_seed_and_epoch_alone(tiny_preset):
    model = ViT.from_preset(tiny_preset, drop_path_rate=0.5)

    def states(seed: int, epoch: int) -> list[tuple[int, ...]]:
        callback = EpochSeeds(seed, object())
        callback.set_model(model)
        callback.on_epoch_begin(epoch)
        variables = [variable for variable in model.variables if variable.name == "seed_generator_state"]
        return [tuple(keras.ops.convert_to_numpy(variable.value).tolist()) for variable in variables]

    assert states(0, 3) == states(0, 3)
    assert len({*states(0, 3), *states(0, 4), *states(1, 3)}) == 3 * len(states(0, 3)) > 0


def test_epoch_seeds_tell_the_data_which_epoch_it_is():
    class Data:
        epoch = 0

    callback = EpochSeeds(0, Data)
    callback.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))

    callback.on_epoch_begin(5)

    assert Data.epoch == 5


def test_keep_best_saves_at_each_improvement_and_only_then():
    saved = []
    callback = KeepBest(lambda epoch, accuracy: saved.append((epoch, accuracy)), best=0.3)

    for epoch, accuracy in enumerate((0.2, 0.4, 0.4, 0.3, 0.5)):
        callback.on_epoch_end(epoch, {"val_accuracy": accuracy})

    assert saved == [(2, 0.4), (5, 0.5)]


def test_ctrl_c_waits_for_the_batch_and_a_second_one_does_not():
    handler = signal.getsignal(signal.SIGINT)
    with StopBetweenBatches() as callback:
        callback.on_train_batch_end(0)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            callback.on_train_batch_end(1)
        with pytest.raises(KeyboardInterrupt):
            callback.on_test_batch_end(0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler


def test_threads_leave_ctrl_c_alone():
    handlers = []

    def work():
        with StopBetweenBatches():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_full_disk_neither_stops_the_run_nor_loses_the_history(tmp_path, monkeypatch):
    def fail(path, content):
        raise OSError("No space left on device")

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = History(tmp_path / "history.csv")
    history.set_model(model)
    history.on_epoch_begin(0)
    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "write_file", fail)
        with pytest.warns(UserWarning, match="history.csv could not be written"):
            history.on_epoch_end(0, {"loss": 2.5})
        with pytest.raises(OSError, match="No space"):
            history.finish()
    history.finish()
    assert (tmp_path / "history.csv").read_text().splitlines()[1].startswith("0,2.5,")


def test_best_model_that_could_not_be_saved_is_saved_at_the_next_improvement():
    saved = []

    def save(epoch, accuracy):
        if epoch == 1:
            raise OSError("No space left on device.")
        saved.append((epoch, accuracy))

    callback = KeepBest(save)
    with pytest.warns(UserWarning, match="The best model so far: No space left on device. Training goes on."):
        callback.on_epoch_end(0, {"val_accuracy": 0.4})
    callback.on_epoch_end(1, {"val_accuracy": 0.3})

    assert saved == [(2, 0.3)]
