"""Subsets: a share of the training images with the same mixture of classes."""

import numpy as np


def stratified_subset(indices: np.ndarray, labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Keeps the same share of each class: at least one image; larger fractions contain smaller ones.

    Args:
        indices: (num_images,) numbers of the images.
        labels: (num_images,) their class numbers.
        fraction: Share to keep, 0 < fraction <= 1.
        seed: Whole number >= 0; equal numbers give equal subsets.

    Returns:
        The numbers of the kept images, sorted.
    """
    rng = np.random.default_rng(seed)
    kept = []
    for label in np.unique(labels):
        members = rng.permutation(indices[labels == label])
        kept.append(members[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(kept))
