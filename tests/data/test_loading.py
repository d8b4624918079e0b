"""Loading by name: unknown names and wrong settings are explained."""

import pytest

from keras_vit import data


def test_close_names_are_suggested(tmp_path, monkeypatch):
    (tmp_path / "flowers").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"No data set or folder 'digit'.*tfds:NAME.*Did you mean 'digits'\?"):
        data.load("digit")
    with pytest.raises(ValueError, match="Did you mean 'flowers'"):
        data.load("flower")
    with pytest.raises(ValueError, match=r"Did you mean '.*/flowers'"):
        data.load(tmp_path / "flower")
    with pytest.raises(ValueError, match=r"No data set or folder '/no/such/place'.*\"tfds:NAME\"\.$"):
        data.load("/no/such/place")


def test_file_is_no_data_set(tmp_path):
    (tmp_path / "cat.jpg").touch()
    with pytest.raises(ValueError, match=r"cat\.jpg' is a file; a data set is"):
        data.load(tmp_path / "cat.jpg")


def test_all_wrong_settings_are_reported_at_once():
    with pytest.raises(ValueError, match="wrong settings") as caught:
        data.load("digits", batch_size=0, validation_fraction=1.0, seed=-1, num_workers=1.5)
    named = [line.split()[1] for line in str(caught.value).splitlines()[1:]]
    assert named == ["batch_size", "validation_fraction", "seed", "num_workers"]
