"""Class names of the ImageNet label sets, in the order of the logits of published checkpoints."""

import functools
import gzip
from pathlib import Path

# Every row is a synset: its WordNet id, which label sets it is in, its names. All the label sets are sorted by id, so
# one table holds them all.
SYNSETS_FILE = Path(__file__).parent / "label_names" / "synsets.tsv.gz"

# Label set -> number of classes. A head tells its label set by its size: no two sets have the same.
NUM_CLASSES = {
    "imagenet-1k": 1000,
    "imagenet-12k": 11821,
    "imagenet-21k": 21843,  # Google's
    "imagenet-21k-miil": 11221,
    "imagenet-22k": 21841,  # those of "imagenet-21k" but two
}


@functools.cache
def class_names(dataset: str) -> tuple[str, ...]:
    """Returns the names of a label set's classes, such as "tench, Tinca tinca".

    Args:
        dataset: "imagenet-1k", "imagenet-12k", "imagenet-21k", "imagenet-21k-miil" or "imagenet-22k".

    Raises:
        ValueError: The label set is unknown.

    Source: WordNet 3.0, as in timm 1.0.31, `timm.data.ImageNetInfo`.
    """
    if dataset not in NUM_CLASSES:
        raise ValueError(f"class_names needs a known label set; got {dataset=}. Choose from {', '.join(NUM_CLASSES)}.")
    with gzip.open(SYNSETS_FILE, "rt", encoding="utf-8") as file:
        column = next(file).rstrip("\n").split("\t").index(dataset)
        rows = (line.rstrip("\n").split("\t") for line in file)
        return tuple(row[-1] for row in rows if row[column])
