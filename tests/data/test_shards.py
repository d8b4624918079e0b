"""Tar shards: what is read, in which order, by whom, and what bad shards are told."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from keras_vit import data
from keras_vit.data import shards
from keras_vit.data.share import Share
from keras_vit.preprocessing import Preprocessing

pytest.importorskip("webdataset", reason="needs the extra `shards`")

# Images come out as the shade they were painted with.
RECORD = Preprocessing(image_size=4, crop_fraction=1.0, mean=(0, 0, 0), std=(1 / 255,) * 3)


def png(shade):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_shard(path, samples):
    with tarfile.open(path, "w") as archive:
        for key, fields in samples.items():
            for suffix, content in fields.items():
                entry = tarfile.TarInfo(f"{key}.{suffix}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


@pytest.fixture
def folder(tmp_path):
    """3 shards of 4 images to train and one of 5 to validate; image n has shade n and class n % 2."""
    for shard in range(3):
        numbers = range(4 * shard, 4 * shard + 4)
        write_shard(tmp_path / f"train-{shard}.tar", {n: {"png": png(n), "cls": str(n % 2).encode()} for n in numbers})
    labels = {n: json.dumps({"label": ["even", "odd"][n % 2]}).encode() for n in range(12, 17)}
    write_shard(tmp_path / "val-0.tar", {n: {"png": png(n), "json": label} for n, label in labels.items()})
    (tmp_path / "classes.txt").write_text("even\nodd\n")
    for pattern in ("train-*.tar", "val-0.tar"):
        data.write_sizes(str(tmp_path / pattern))
    return tmp_path


def load(folder, pattern="train-{0..2}.tar", **settings):
    return data.load(f"{folder}/{pattern}", **{"preprocessing": RECORD, "batch_size": 2, **settings})


def shades(batches):
    return [images[:, 0, 0, 0].round().astype(int).tolist() for images, _ in (batches[i] for i in range(len(batches)))]


def all_shades(batches):
    return [shade for batch in shades(batches) for shade in batch]


def test_every_image_comes_once_in_an_order_of_its_epoch(folder):
    train, validation = load(folder)
    assert (train.num_images, validation.num_images, train.class_names) == (12, 5, ("even", "odd"))
    epochs = []
    for _ in range(2):
        epochs.append(all_shades(train))
        train.on_epoch_end()
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]
    assert shades(validation) == [[12, 13], [14, 15], [16]]
    assert validation[1][1].tolist() == [[1, 0], [0, 1]]
    train.epoch = 0
    assert train[3][0][0, 0, 0, 0].round() == epochs[0][6]  # a resumed epoch goes on where it stopped


def test_processes_read_different_images_and_as_many_batches(folder, monkeypatch):
    seen = []
    for index in range(2):
        share = Share(index=index, num_shares=2, num_replicas=2)
        monkeypatch.setattr(Share, "current", classmethod(lambda cls, share=share: share))
        train, validation = load(folder, batch_size=4)
        seen.append((shades(train), shades(validation)))
    (first, first_validation), (second, second_validation) = seen
    assert [len(rows) for rows in first] == [len(rows) for rows in second] == [2, 2, 2]
    files = [{number // 4 for rows in batches for number in rows} for batches in (first, second)]
    assert len(files[0] ^ files[1]) >= 1  # shards are dealt out
    # 4 of 5 validation images: devices need equal parts.
    assert (first_validation, second_validation) == ([[12, 13]], [[14, 15]])


def test_fields_that_hold_code_are_never_read(folder):
    write_shard(folder / "train-0.tar", {n: {"png": png(n), "cls": b"0", "pyd": b"cos\nsystem\n."} for n in range(4)})
    assert sorted(all_shades(load(folder)[0])) == list(range(12))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"png": png(0)}, "needs a class in each sample.*sample '0' in .*none"),
        ({"png": png(0), "cls": b"2"}, "needs classes that are in classes.txt, 0 to 1; .* has 2"),
        ({"png": png(0), "json": b'{"label": "prime"}'}, "has 'prime'"),
        ({"cls": b"0"}, r"needs an image in each sample, .jpg, .*; sample .0. .* none"),
        ({"png": b"no picture", "cls": b"0"}, "Can't read an image of 10 bytes"),
    ],
)
def test_bad_samples_are_explained(folder, fields, message):
    write_shard(folder / "val-0.tar", {0: fields, 1: fields})
    _, validation = load(folder, strict=True)
    with pytest.raises(ValueError, match=message):
        validation[0]


def test_unreadable_image_is_replaced_and_warned_of(folder):
    write_shard(folder / "val-0.tar", {0: {"png": b"no", "cls": b"0"}, 1: {"png": png(9), "cls": b"1"}})
    with pytest.warns(UserWarning, match="replaced by another of its batch"):
        images, labels = load(folder)[1][0]
    assert images[:, 0, 0, 0].round().tolist() == [9, 9]
    assert labels.argmax(-1).tolist() == [1, 1]


def test_what_must_be_known_before_training_is_asked_for(folder, monkeypatch):
    with pytest.raises(ValueError, match=r"need files on this machine; .*train-3\.tar.* matches none"):
        load(folder, "train-{0..3}.tar")
    with pytest.raises(ValueError, match="matches none"):
        load(folder, "pipe:rm -rf x.tar")
    share = Share(num_shares=4, num_replicas=4)
    with monkeypatch.context() as patch:
        patch.setattr(Share, "current", classmethod(lambda cls: share))
        with pytest.raises(ValueError, match="at least one training file for each of 4 processes; got 3"):
            load(folder, batch_size=4)
    (folder / shards.SIZES_FILE).unlink()
    with pytest.raises(ValueError, match=r"number of images of each file in .*keras_vit\.data\.write_sizes"):
        load(folder)
    (folder / shards.CLASSES_FILE).unlink()
    with pytest.raises(ValueError, match=r"need .*classes\.txt: .*no such file"):
        load(folder)
