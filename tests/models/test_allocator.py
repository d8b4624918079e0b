"""What is done to the C library's allocator, by how many pages the system hands out anew; in processes of their own."""

import os
import platform
import subprocess
import sys

import keras
import pytest

BACKEND = keras.backend.backend()

# Writes 256 MB, frees it and writes as much again, in a thread that is started after the first model was made.
SCRIPT = """
import resource, threading
import numpy as np
from keras_vit.models import ViT

ViT(image_size=4, patch_size=2, embed_dim=4, depth=1, num_heads=1, num_classes=2)

def write():
    np.empty(2**28, "uint8").fill(1)

def count():
    write()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    write()
    print("pages", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=count)
thread.start() if {in_thread} else count()
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")


def new_pages(*, in_thread=False, **environment):
    """Returns how many pages the second 256 MB needed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(in_thread=in_thread)],
        env={**inherited, "NUMPY_MADVISE_HUGEPAGE": "0", **environment},  # else pages of 2 MB
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return int(process.stdout.split("pages")[1])


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow has an allocator of its own")
def test_freed_memory_is_used_again():
    assert new_pages(in_thread=BACKEND == "jax") < 100  # XLA works in threads


@pytest.mark.parametrize(
    "settings",
    [
        {"MALLOC_TRIM_THRESHOLD_": "131072"},
        pytest.param({"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"}, marks=pytest.mark.slow),
    ],
)
def test_settings_of_the_environment_stay(settings):
    assert new_pages(**settings) > 10_000  # 4 kB each


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the others keep it")
def test_tensorflow_is_left_alone():
    assert new_pages() > 10_000
