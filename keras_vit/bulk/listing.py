"""Lists the images under a folder one by one, in a fixed order, without holding the whole list."""

import os
from collections.abc import Iterator
from pathlib import Path

from keras_vit.data.folder import IMAGE_SUFFIXES


def iterate_images(folder: Path) -> Iterator[str]:
    """Yields the path of every image file below a folder, relative to it, with "/" between its parts.

    The files of a folder come first, by name, then its sub-folders, by name; one folder's names are in memory at a
    time. Files count by their suffix; what starts with "." is passed over; a link back up is not followed.
    """
    yield from _iterate(folder, "", ())


def _iterate(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    status = os.stat(folder)
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    files, sub_folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                sub_folders.append(entry.name)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
                files.append(entry.name)
    for name in sorted(files):
        yield prefix + name
    del files  # not held while the sub-folders are read
    for name in sorted(sub_folders):
        yield from _iterate(folder / name, f"{prefix}{name}/", (*above, here))
