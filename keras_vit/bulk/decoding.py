"""Decodes images ahead in threads, in order, never more than a fixed number at once."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit.preprocessing import ImageError, Preprocessing

Decoded = tuple[str, np.ndarray | None, str | None]  # path, model input or None, what is wrong or None


def decode_ahead(
    paths: Iterable[str], folder: Path, preprocessing: Preprocessing, *, num_workers: int, num_ahead: int
) -> Iterator[Decoded]:
    """Yields each path with its (height, width, channels) model input, or with the error that its file gave.

    Args:
        paths: Relative to `folder`.
        folder: Where the images are.
        preprocessing: Makes the model input.
        num_workers: Threads, > 0.
        num_ahead: How many images may be decoded and not yet yielded, > 0.
    """

    def decode(path: str) -> Decoded:
        try:
            return path, preprocessing(folder / path)[0], None
        except ImageError as error:
            # Where the folder lies on this machine is nobody's business, and the column has the path.
            return path, None, str(error).replace(str(folder / path), path)

    yield from _map_ahead(decode, iter(paths), num_workers, num_ahead)


def in_batches(images: Iterable[Decoded], batch_size: int) -> Iterator[list[Decoded]]:
    """Yields lists of `batch_size` images; the last may be shorter."""
    images = iter(images)
    while batch := list(islice(images, batch_size)):
        yield batch


def _map_ahead(work: Callable[[str], Any], items: Iterator[str], num_workers: int, num_ahead: int) -> Iterator[Any]:
    waiting: collections.deque[concurrent.futures.Future[Any]] = collections.deque()
    threads = concurrent.futures.ThreadPoolExecutor(num_workers)
    try:
        waiting.extend(threads.submit(work, item) for item in islice(items, num_ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(threads.submit(work, item) for item in islice(items, 1))
            yield result
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
