"""Settings of the C library's allocator, by which models on a CPU keep the memory that they free and use again."""

import ctypes
import functools
import importlib.metadata
import importlib.util
import os
import sys

import keras

# Of mallopt, in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8

# Of XLA, whose threads would wait for one another's turn at the one heap; measured with two.
_MOST_CORES = 8


@functools.cache
def keep_freed_memory() -> None:
    """Has glibc keep freed memory for what comes next, once in a process, on PyTorch and JAX without an accelerator.

    By default it hands large blocks back to the system, which fills them with zeros again for the next activations:
    a training step of ViT-S/16 on JAX (batch 8) took 1 GB anew at each step, a fifth of its time. The memory of a
    process then stays at its peak, which on PyTorch is up to a third higher, since what is kept is in pieces.

    XLA's threads have to share the main heap for this, since no other heap holds more than 64 MB: the first model
    should be made before JAX has started them, and there should be few. Nothing happens on other systems, or where the
    environment has settings of its own, as MALLOC_TRIM_THRESHOLD_ or GLIBC_TUNABLES=glibc.malloc....

    Source: `man 3 mallopt`.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow" or not sys.platform.startswith("linux") or _has_settings() or _has_accelerator(backend):
        return
    if backend == "jax" and len(os.sched_getaffinity(0)) > _MOST_CORES:
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library than glibc
        return
    mallopt(_M_TRIM_THRESHOLD, -1)  # never
    mallopt(_M_MMAP_MAX, 0)
    if backend == "jax":
        mallopt(_M_ARENA_MAX, 1)


def _has_settings() -> bool:
    return "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(
        name.startswith("MALLOC_") for name in os.environ
    )


def _has_accelerator(backend: str) -> bool:
    if backend == "torch":
        import torch

        return torch.accelerator.is_available()
    if backend != "jax":
        return False
    import jax

    # JAX itself would have to start its threads to tell.
    if jax.config.jax_platforms:
        return jax.config.jax_platforms != "cpu"
    plugins = importlib.metadata.entry_points(group="jax_plugins")
    return bool(plugins) or any(importlib.util.find_spec(name) is not None for name in ("jax_plugins", "libtpu"))
