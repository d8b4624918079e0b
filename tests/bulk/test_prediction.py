"""Prediction in bulk: the table equals what the model says of each image, also after a SIGKILL."""

import csv
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_vit.bulk import predict_folder, prediction
from keras_vit.models import ViT
from keras_vit.preprocessing import ImageError

NAMES = [f"{letter}/{index}.png" for letter in "ab" for index in range(5)]

# Stops by a kill after one part of four images has been written.
KILLED = """
import os, signal, sys
from keras_vit.bulk import job, prediction
prediction._PART_IMAGES = 4
add = job.BulkJob.add
def add_once(self, table, rows):
    if self.parts():
        table.write_part(self.folder / f"part.tmp{self.out.suffix}", rows[:1])  # torn
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, table, rows)
job.BulkJob.add = add_once
prediction.predict_folder(*sys.argv[1:4], batch_size=2)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 12), dtype=np.uint8)).save(folder / name)
    (folder / "b" / "2.png").write_bytes((folder / "b" / "2.png").read_bytes()[:50])
    return folder


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    labels = ("ten, with a comma", "zwölf", "three")
    return ViT(
        image_size=8, in_channels=1, patch_size=4, embed_dim=8, depth=1, num_heads=2, num_classes=3, labels=labels
    )


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(prediction, "_PART_IMAGES", 4)


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_are_what_classify_says_and_parquet_holds_the_same(model, folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    result = predict_folder(model, folder, tmp_path / "out.csv", top=2, batch_size=3)
    predict_folder(model, folder, tmp_path / "out.parquet", top=2, batch_size=3)

    rows = rows_of(tmp_path / "out.csv")
    assert (result.num_images, result.num_errors, result.num_resumed) == (10, 1, 0)
    assert [row["path"] for row in rows] == NAMES
    assert list(rows[0]) == ["path", "label_1", "probability_1", "label_2", "probability_2", "error"]
    for row in rows:
        if row["path"] == "b/2.png":
            assert row["error"].startswith("Can't read image b/2.png: ")
            assert row["label_1"] == row["probability_2"] == ""
            continue
        expected = [part for pair in model.classify(folder / row["path"], top=2) for part in pair]
        assert [row["label_1"], row["label_2"]] == expected[::2]
        np.testing.assert_allclose(
            [float(row["probability_1"]), float(row["probability_2"])], expected[1::2], atol=1e-6
        )
    table = parquet.read_table(tmp_path / "out.parquet")
    assert [str(field.type) for field in table.schema] == ["string", "string", "float", "string", "float", "string"]
    for row, same in zip(rows, table.to_pylist(), strict=True):
        assert row["path"] == same["path"]
        assert (row["label_1"] or None, row["error"] or None) == (same["label_1"], same["error"])
        assert same["probability_2"] is None or np.float32(row["probability_2"]) == np.float32(same["probability_2"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.parquet"]


def test_features_are_the_vector_before_the_logits(model, folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    predict_folder(model, folder, tmp_path / "out.parquet", features=True, batch_size=8)
    predict_folder(model, folder, tmp_path / "out.csv", features=True, batch_size=8)

    table = parquet.read_table(tmp_path / "out.parquet")
    assert str(table.schema.field("features").type) == "fixed_size_list<element: float>[8]"
    features = np.array(table["features"].to_pylist()[0], "float32")
    kernel, bias = model.get_layer("head").get_weights()
    logits = model.predict(model.preprocessing(folder / NAMES[0]), verbose=0)[0]
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-5)
    row = rows_of(tmp_path / "out.csv")[0]
    np.testing.assert_array_equal([np.float32(row[f"feature_{index}"]) for index in range(8)], features)


@pytest.mark.slow
def test_killed_and_called_again_it_ends_with_the_same_file(model, folder, tmp_path):
    model.save_to_preset(tmp_path / "model")
    predict_folder(tmp_path / "model", folder, tmp_path / "whole.csv", batch_size=2)
    out = tmp_path / "out.csv"
    command = [sys.executable, "-c", KILLED, tmp_path / "model", folder, out]
    environment = {**os.environ, "KERAS_BACKEND": keras.config.backend()}
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()

    with pytest.raises(ValueError, match="holds a part of such a file"):
        predict_folder(tmp_path / "model", folder, out, batch_size=2, resume=False)
    with pytest.raises(ValueError, match=r"different are:\n- batch_size: 4 asked for, 2 there\n- top: 2 asked for, 1"):
        predict_folder(tmp_path / "model", folder, out, batch_size=4, top=2)
    (folder / "a" / "00.png").write_bytes((folder / "a" / "0.png").read_bytes())
    with pytest.raises(ValueError, match="needs the folder as it was"):
        predict_folder(tmp_path / "model", folder, out, batch_size=2)
    (folder / "a" / "00.png").unlink()
    result = predict_folder(tmp_path / "model", folder, out, batch_size=2)

    assert (result.num_images, result.num_resumed) == (10, 4)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_mistakes_are_said(model, folder, tmp_path):
    out = tmp_path / "out.csv"
    (tmp_path / "empty").mkdir()
    for arguments, settings, message in (
        ((folder, tmp_path / "out.txt"), {}, r"end with .csv or .parquet; got"),
        ((tmp_path / "empty", out), {}, "needs image files; got none"),
        ((tmp_path / "nothing", out), {}, "needs a folder of images"),
        ((folder, out), {"batch_size": 0}, "needs batch_size >= 1; got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            predict_folder(model, *arguments, **settings)
    with pytest.raises(ImageError, match="b/2.png"):
        predict_folder(model, folder, out, strict=True)
    headless = ViT(image_size=8, in_channels=1, patch_size=4, embed_dim=8, depth=1, num_heads=2, num_classes=0)
    with pytest.raises(ValueError, match="got num_classes=0.* Without a head, ask for features"):
        predict_folder(headless, folder, out)
    out.write_text("mine")
    with pytest.raises(ValueError, match=r"out.csv' exists. Replace it \(overwrite\)"):
        predict_folder(model, folder, out)
    assert predict_folder(model, folder, out, overwrite=True).num_images == 10
