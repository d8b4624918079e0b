"""Checks of the data before a run starts: what can be told from the first batches."""

from typing import Any

import numpy as np

from keras_vit.models.input_checks import check_content


def check_data(train: Any, validation: Any) -> None:
    """Raises where the data cannot train the model, before anything is written; reads one batch of each part.

    Raises:
        ValueError: A part is empty, there are fewer than two classes, labels do not fit their number, or the images
            are NaN, infinite or all of one colour.
    """
    for name, part in (("training", train), ("validation", validation)):
        if part.num_images < 1:
            raise ValueError(f"Training needs images in each part of the data set; the {name} part is empty.")
    if train.num_classes < 2:
        raise ValueError(f"Training needs two classes or more; the data set has {train.num_classes}.")
    for name, part in (("training", train), ("validation", validation)):
        images, labels = part[0]
        if labels.shape[-1] != train.num_classes:
            raise ValueError(
                f"Training needs labels of {train.num_classes} classes, as the data set says; the {name} part has "
                f"{labels.shape[-1]}."
            )
        check_content(np.asarray(images), f"the {name} part of the data set")
