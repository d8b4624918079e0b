"""Shares of batches: which rows a process reads."""

import numpy as np
import pytest

from keras_vit import data
from keras_vit.data.share import Share


def test_one_device_reads_all():
    share = Share.current()
    assert share == Share(index=0, num_shares=1, num_replicas=1)
    assert (share.batch_size(7), share.count(7), share.rows([1, 2, 3])) == (7, 7, [1, 2, 3])


def test_rows_of_all_processes_are_the_batch():
    shares = [Share(index=index, num_shares=2, num_replicas=8) for index in range(2)]
    batch = np.arange(16)
    np.testing.assert_array_equal(np.concatenate([share.rows(batch) for share in shares]), batch)
    assert (shares[0].batch_size(32), shares[0].count(23)) == (16, 16)


def test_processes_serve_the_batches_that_one_would(monkeypatch):
    whole, _ = data.load("digits", batch_size=64, train_fraction=0.1)
    parts = []
    for index in range(2):
        share = Share(index=index, num_shares=2, num_replicas=2)
        monkeypatch.setattr(Share, "current", classmethod(lambda cls, share=share: share))
        parts.append(data.load("digits", batch_size=64, train_fraction=0.1)[0])
    for number in range(2):
        images = np.concatenate([part[number][0] for part in parts])
        np.testing.assert_array_equal(images, whole[number][0])


def test_batch_that_devices_cannot_divide_is_an_error(monkeypatch):
    share = Share(num_replicas=8)
    monkeypatch.setattr(Share, "current", classmethod(lambda cls: share))
    with pytest.raises(ValueError, match="multiple of the 8 devices.*got batch_size=60. Take 56"):
        data.load("digits", batch_size=60)


def test_images_that_devices_cannot_divide_are_left_out_with_a_warning(monkeypatch):
    share = Share(num_replicas=7)
    monkeypatch.setattr(Share, "current", classmethod(lambda cls: share))
    with pytest.warns(UserWarning, match="3 of 360 images are left out"):
        _, validation = data.load("digits", batch_size=70)
    assert sum(len(labels) for _, labels in (validation[i] for i in range(len(validation)))) == 357
