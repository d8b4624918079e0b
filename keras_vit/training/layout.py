"""Layouts: how the variables of a model are split over the devices of a mesh, by their roles."""

import re
from typing import Any

import keras

from keras_vit.models.catalogue import ARCHITECTURES, model_class
from keras_vit.models.input_checks import MODEL_AXIS, check_mesh
from keras_vit.models.roles import Role

Split = dict[str, tuple[str | None, ...]]  # name of a variable -> axis of the mesh along each of its own

COLUMNS: Split = {"kernel": (None, MODEL_AXIS), "bias": (MODEL_AXIS,)}  # each device makes some of the outputs
ROWS: Split = {"kernel": (MODEL_AXIS, None)}  # each device takes some of the inputs; the sum goes to all

# (role, last part of the layer's path) -> how its variables are split. A layer split by columns is followed by one
# split by rows, so that devices meet once per pair. The head is split by rows: its classes need not be divisible.
SPLITS: dict[tuple[str, str], Split] = {
    ("qkv", "qkv"): COLUMNS,
    ("qkv", "query"): COLUMNS,
    ("qkv", "key_value"): COLUMNS,
    ("projection", "projection"): ROWS,
    ("mlp", "expand"): COLUMNS,
    ("mlp", "contract"): ROWS,
    ("head", "logits"): ROWS,
    ("head", "distillation_logits"): ROWS,
}


def layout_map(mesh: Any, model: Any = None) -> Any:
    """Returns the `keras.distribution.LayoutMap` with which `ModelParallel` splits our models, on JAX.

        mesh = keras.distribution.DeviceMesh((2, 4), ("data", "model"))
        layout = keras_vit.training.layout_map(mesh)
        keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout))
        model = keras_vit.from_preset("vit_l16")  # after the distribution is set

    Attention is split by heads: queries, keys and values by columns, the projection by rows; so is the feed-forward
    part: widening by columns, narrowing by rows. The logits are split by rows. All else is small, and every device has
    a copy. Queries, keys and values lie side by side in one kernel, so that a device's columns are not those of its
    own heads: results are the same, but JAX moves them between devices once more in each layer.

    Args:
        mesh: A `keras.distribution.DeviceMesh` with an axis "model".
        model: A model whose sizes are checked, and whose roles alone are taken. None: all architectures; a model that
            is built later under the distribution is checked then.

    Raises:
        ValueError: The mesh has no axis "model", or it doesn't divide the heads or the feed-forward part of `model`.

    Source: Shoeybi et al., "Megatron-LM", 2019, arXiv 1909.08053.
    """
    if MODEL_AXIS not in mesh.axis_names:
        raise ValueError(f"layout_map needs a mesh with an axis {MODEL_AXIS!r}; got axis_names={mesh.axis_names}.")
    if model is not None:
        check_mesh(model.config, mesh)
    layouts = keras.distribution.LayoutMap(mesh)
    for pattern, split in _splits(_roles(model)).items():
        for name, axes in split.items():
            layouts[f"{pattern}/{name}"] = axes
    return layouts


def _roles(model: Any) -> dict[str, Role]:
    """Returns the role of every layer by its path."""
    if model is not None:
        return dict(model.variable_roles(model.config))
    classes = [model_class(name) for name in ARCHITECTURES]
    return {path: role for each in classes for path, role in each.variable_roles(each.config_class()).items()}


def _splits(roles: dict[str, Role]) -> dict[str, Split]:
    """Returns the split of layers by a pattern of their paths; models of any depth match."""
    splits = {}
    for path, role in roles.items():
        split = SPLITS.get((role.name, path.rpartition("/")[2]))
        if split is not None:
            numbered = re.sub(r"\d+", r"\\d+", path)
            splits[rf"(.*/)?{numbered}"] = split  # a model inside another model has its name in front
    return splits
