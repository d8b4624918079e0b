"""Folders by Grain: every image in each pass, each process its own, and an order that can be gone on with."""

import numpy as np
import pytest
from PIL import Image

from keras_vit import data
from keras_vit.data.share import Share
from keras_vit.preprocessing import Preprocessing

pytest.importorskip("grain", reason="needs the extra `grain`")

RECORD = Preprocessing(image_size=4, crop_fraction=1.0, mean=(0, 0, 0), std=(1 / 255,) * 3)


@pytest.fixture
def folder(tmp_path):
    """10 images of each of two classes; image n has shade n, 100 more in the second class."""
    for shift, name in ((0, "a"), (100, "b")):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.fromarray(np.full((4, 4, 3), number + shift, np.uint8)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def load(folder, **settings):
    return data.grain_batches(folder, **{"preprocessing": RECORD, "batch_size": 4, **settings})


def shades(batch):
    return batch[0][:, 0, 0, 0].round().astype(int).tolist()


def epoch(train, iterator):
    return [shades(next(iterator)) for _ in range(train.num_steps)]


def test_every_pass_has_all_images_in_another_order(folder):
    train, validation = load(folder)
    assert (train.num_images, train.num_steps, train.class_names, validation.num_images) == (16, 4, ("a", "b"), 4)
    iterator = iter(train)
    first, second = ([shade for batch in epoch(train, iterator) for shade in batch] for _ in range(2))
    assert sorted(first) == sorted(second)
    assert first != second
    held_out = [shade for batch in validation for shade in shades(batch)]
    assert len(set(first) | set(held_out)) == 20
    for images, labels in validation:
        assert (images[:, 0, 0, 0].round() >= 100).tolist() == (labels.argmax(-1) == 1).tolist()


def test_iterator_goes_on_where_it_was_stored(folder):
    train, _ = load(folder)
    iterator = iter(train)
    next(iterator)
    state = iterator.get_state()
    expected = next(iterator)
    other = iter(load(folder)[0])
    other.set_state(state)
    np.testing.assert_array_equal(next(other)[0], expected[0])


def test_processes_share_the_batches_that_one_would_have(folder, monkeypatch):
    whole, _ = load(folder)
    expected = epoch(whole, iter(whole))
    parts = []
    for index in range(2):
        share = Share(index=index, num_shares=2, num_replicas=2)
        monkeypatch.setattr(Share, "current", classmethod(lambda cls, share=share: share))
        train, _ = load(folder)
        parts.append(epoch(train, iter(train)))
    assert [sorted(first + second) for first, second in zip(*parts, strict=True)] == [sorted(b) for b in expected]


def test_batch_larger_than_the_data_is_explained(folder):
    with pytest.raises(ValueError, match="batch_size of at most the number of images; got 32 of 16"):
        load(folder, batch_size=32)
