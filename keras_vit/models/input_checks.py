"""Checks of what a model is given: wrong images and labels are told before any work."""

import math
import warnings
from typing import Any

import keras
import numpy as np

MODEL_AXIS = "model"  # of a device mesh: along it the variables of one model are split
_MAX_CHECKED = 64  # images; more would be felt at the start of a training


def check_images(model: Any, images: Any) -> None:
    """Raises for a wrong shape; warns once when an array (tensors are left alone) is plainly not normalised."""
    needed = (*(model.config.image_size or ("height", "width")), model.config.in_channels)
    shape = tuple(getattr(images, "shape", ()))
    pairs = list(zip(needed, shape[1:], strict=False))
    # Keras itself checks on some ways only: on JAX not in fit and predict.
    if len(shape) == 4 and any(isinstance(size, int) and found not in (None, size) for size, found in pairs):
        raise ValueError(
            f"{type(model).__name__} needs images (batch, {', '.join(map(str, needed))}); got shape {shape}. "
            "Convert or resize them, or give the model other in_channels or image_size (None takes any size)."
        )
    if getattr(model, "has_warned", False) or not isinstance(images, np.ndarray) or not images.size:
        return
    problem = model.preprocessing.range_problem(images[:16])
    if problem is not None:
        model.has_warned = True
        warnings.warn(f"{type(model).__name__}: {problem}", UserWarning, stacklevel=3)


def check_content(images: Any, what: str) -> None:
    """Raises where an array of images is nothing to learn from: NaN, infinite, or all of one colour.

    Args:
        images: (batch, height, width, channels); anything but an array is left alone. At most 64 are looked at.
        what: What the images are, in the error.
    """
    if not isinstance(images, np.ndarray) or images.ndim != 4 or not images.size:
        return
    sample = images[:: -(-len(images) // _MAX_CHECKED)]
    if np.issubdtype(sample.dtype, np.floating) and not np.isfinite(sample).all():
        broken = int((~np.isfinite(sample)).any((1, 2, 3)).sum())
        raise ValueError(
            f"Training needs finite images; got NaN or infinity in {broken} of {len(sample)} that were looked at, "
            f"of {what}. Mend the images, or what scales them."
        )
    if (sample == sample[:, :1, :1]).all():
        raise ValueError(
            f"Training needs images with something on them; got one colour throughout in each of {len(sample)} that "
            f"were looked at, of {what}. Look at the files, and at what crops and scales them."
        )


def check_labels(model: Any, data: Any, labels: Any) -> None:
    """Raises where labels cannot belong to the head, before any work."""
    num_classes = model.config.num_classes
    if not num_classes or len(model.outputs[0].shape) != 2:
        return
    offered = getattr(data, "num_classes", None)
    if isinstance(labels, np.ndarray) and labels.size:
        if labels.ndim == 2 and labels.shape[1] > 1:
            offered = labels.shape[1]
        elif num_classes > 1 and np.issubdtype(labels.dtype, np.number):  # one logit: any numbers, such as 0 and 1
            lowest, highest = labels.min(), labels.max()
            if lowest < 0 or highest >= num_classes:
                raise ValueError(
                    f"The head has {num_classes} classes and needs labels from 0 to {num_classes - 1}; "
                    f"got labels from {lowest} to {highest}. Build the model with a fitting num_classes."
                )
    if isinstance(offered, int) and offered != num_classes:
        raise ValueError(
            f"The head has num_classes={num_classes}, the labels have {offered} classes. "
            f"Build the model with num_classes={offered}."
        )


def check_mesh(config: Any, mesh: Any = None) -> None:
    """Raises where a model can't be split over the devices of a mesh, by default that of the distribution in force."""
    if mesh is None:
        distribution = keras.distribution.distribution()
        mesh = None if distribution is None else distribution.device_mesh
    if mesh is None or MODEL_AXIS not in mesh.axis_names:
        return
    num_devices = mesh.shape[list(mesh.axis_names).index(MODEL_AXIS)]
    sizes = config.divided_sizes
    for name, size in sizes.items():
        if size % num_devices:
            common = math.gcd(*sizes.values())
            divisors = [str(number) for number in range(1, common + 1) if common % number == 0]
            raise ValueError(
                f"A mesh needs a model axis that divides {' and '.join(sizes)}; got {num_devices} devices along "
                f"{MODEL_AXIS!r} and {name}={size}. What divides them all is {', '.join(divisors)}."
            )
