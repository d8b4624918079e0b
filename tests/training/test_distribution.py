"""Placements: what the options mean, and which do not fit together."""

import contextlib
from pathlib import Path

import keras
import pytest

from keras_vit.training import Placement


def test_options_become_a_placement():
    assert Placement.parse() == Placement()
    assert Placement.parse().is_single
    assert Placement.parse(devices=8).devices == 8
    assert Placement.parse(mesh="2x4").mesh == (2, 4)
    placement = Placement.parse(processes="10.0.0.1:1234, 10.0.0.2:1234", process_id=1)
    assert placement.processes == ("10.0.0.1:1234", "10.0.0.2:1234")
    assert placement.folder(Path("runs/digits")) == Path("runs/digits.process1")
    assert Placement().folder(Path("runs/digits")) == Path("runs/digits")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": 0}, "devices >= 1; got 0"),
        ({"mesh": "two"}, "--mesh needs DATAxMODEL devices, as 2x4; got 'two'"),
        ({"mesh": "2x2x2"}, r"mesh=\(data, model\)"),
        ({"mesh": "2x4", "devices": 6}, "product of mesh"),
        ({"processes": "a:1,b:2"}, "--processes needs --process-id"),
        ({"process_id": 1}, "--processes needs --process-id"),
        ({"processes": "a,b:2", "process_id": 0}, "HOST:PORT; got a, b:2"),
        ({"processes": "a:1", "process_id": 0}, "two processes or more"),
        ({"processes": "a:1,b:2", "process_id": 2}, "process_id from 0 to the number of processes - 1; got 2 of 2"),
        ({"processes": "a:1,b:2", "process_id": 0, "mesh": "1x4"}, "data axis that 2 processes divide"),
    ],
)
def test_options_that_do_not_fit_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        Placement.parse(**options)


def test_single_device_changes_nothing():
    with Placement().scope():
        assert keras.distribution.distribution() is None


def test_more_devices_than_there_are_is_one_error():
    expected = "no distribution for PyTorch" if keras.config.backend() == "torch" else "needs 99 devices; there are"
    with pytest.raises(ValueError, match=expected), Placement(devices=99).scope():
        pass


def test_mesh_needs_jax():
    if keras.config.backend() == "jax":
        pytest.skip("works on JAX: see the parity tests")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"), Placement(mesh=(1, 1)).scope():
        pass


def test_one_device_under_an_engine_trains_as_ever():
    if keras.config.backend() != "jax":
        pytest.skip("a mesh needs JAX")
    with contextlib.ExitStack() as stack:
        stack.enter_context(Placement(mesh=(1, 1)).scope())
        assert keras.distribution.distribution().num_model_replicas == 1
    assert keras.distribution.distribution() is None
