"""Prediction in bulk, killed again and again at whatever moment: the file is that of an unbroken run."""

import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from PIL import Image

from keras_vit.bulk import predict_folder

pytestmark = pytest.mark.parity

RUN = """
import sys
from keras_vit.bulk import prediction
prediction._PART_IMAGES = 16
prediction.predict_folder("vit_digits", *sys.argv[1:3], features=True, batch_size=8)
"""


def test_parquet_of_features_survives_any_number_of_kills(tmp_path, rng, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder, out = tmp_path / "images", tmp_path / "out.parquet"
    folder.mkdir()
    for index in range(300):
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{index:04d}.png")
    environment = {**os.environ, "KERAS_BACKEND": keras.config.backend()}
    delays, num_kills = random.Random(0), 0
    while not out.exists():
        process = subprocess.Popen([sys.executable, "-c", RUN, folder, out], env=environment)
        before = len(list(tmp_path.glob("out.parquet.parts/*-*-*")))
        while process.poll() is None and len(list(tmp_path.glob("out.parquet.parts/*-*-*"))) < before + 3:
            time.sleep(0.02)
        time.sleep(delays.uniform(0, 0.05))
        if num_kills < 3 and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            num_kills += 1
        assert process.wait() in (0, -signal.SIGKILL)

    monkeypatch.setattr("keras_vit.bulk.prediction._PART_IMAGES", 16)
    predict_folder("vit_digits", folder, tmp_path / "whole.parquet", features=True, batch_size=8)
    assert num_kills > 0
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert parquet.read_metadata(out).num_rows == 300
