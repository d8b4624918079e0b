"""Paths of what is inside a model's layers, whatever name scopes the model was built in."""

from typing import Any

import keras


def path_in(layer: keras.layers.Layer, part: Any) -> str:
    """Returns the name of a layer of the model, and the path in it of a variable or of a layer inside it."""
    # A functional model gives its name to itself alone: what is inside it starts with what is around it.
    root = layer.path.rpartition("/")[0] if isinstance(layer, keras.Model) else layer.path
    return f"{layer.name}{part.path[len(root) :]}"
