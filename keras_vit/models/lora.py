"""LoRA: small trained matrices beside frozen kernels, by Keras' own `enable_lora`."""

import contextlib
from collections.abc import Iterable
from typing import Any

import keras

from keras_vit.models.roles import require_roles, roles_of
from keras_vit.models.whole_values import to_numpy

MATRICES = ("lora_kernel_a", "lora_kernel_b")
_HEAD = "head"


def is_adapted(model: Any) -> bool:
    """Whether layers of the model have LoRA matrices."""
    return model.lora is not None


def enable(model: Any, rank: int, roles: Iterable[str], alpha: float | None = None) -> None:
    """Puts LoRA on the dense layers of some roles; arguments as in `VisionModel.enable_lora`."""
    if not isinstance(rank, int) or rank < 1:
        raise ValueError(f"enable_lora needs rank >= 1, a whole number; got {rank=}.")
    if alpha is not None and not alpha > 0:
        raise ValueError(f"enable_lora needs alpha > 0; got {alpha=}. None takes the rank.")
    if is_adapted(model):
        raise ValueError(
            f"enable_lora needs a model without LoRA; this one has it, with rank {model.lora['rank']}. To start anew, "
            "load the base again; to merge it, save_to_preset(FOLDER) and load FOLDER."
        )
    frozen = [layer.name for layer in model.layers if layer.weights and not layer.trainable]
    if frozen or not model.trainable:
        raise ValueError(
            "enable_lora needs a model without frozen layers, because it freezes all but its own matrices and the head "
            f"itself; {', '.join(frozen[:3]) or 'the whole model'} is frozen. Call model.unfreeze() first."
        )
    add_matrices(model, _dense_paths(model, tuple(roles)), rank, alpha)


def add_matrices(model: Any, paths: Iterable[str], rank: int, alpha: float | None = None) -> None:
    """Puts LoRA on the dense layers at these paths, and freezes everything else but the head."""
    layers = {path: find_layer(model, path) for path in paths}
    alpha = rank if alpha is None else alpha
    for path, layer in layers.items():
        with contextlib.ExitStack() as scopes:  # Keras would name the matrices without the layers around them
            for name in path.split("/")[:-1]:
                scopes.enter_context(keras.name_scope(name))
            layer.enable_lora(rank, lora_alpha=alpha)
    adapted = {path.split("/")[0] for path in layers}
    for layer in model.layers:
        if layer.name != _HEAD and layer.name not in adapted:
            layer.trainable = False
    for path, weight in model.weights_by_path().items():
        if path.split("/")[0] in adapted and not is_matrix(path):
            weight.trainable = False
    model.lora = {"rank": rank, "alpha": alpha, "layers": list(layers)}


def trains_base(model: Any) -> bool:
    """Whether training changes more than the head and LoRA's matrices."""
    kept = {
        id(weight)
        for path, weight in model.weights_by_path().items()
        if is_matrix(path) or path.startswith(_HEAD + "/")
    }
    return any(id(weight) not in kept for weight in model.trainable_weights)


def find_layer(model: Any, path: str) -> Any:
    """Returns the layer at a path, such as "encoder_0/attention/qkv"."""
    name, *names = path.split("/")
    layer = model.get_layer(name)
    for name in names:
        layer = getattr(layer, name)
    return layer


def is_matrix(path: str) -> bool:
    """Whether the variable at a path is one of LoRA's."""
    return path.endswith(MATRICES)


def merged_weights(model: Any) -> dict[str, Any]:
    """Returns every weight by path, with what LoRA learned added to the kernels: a model without LoRA that is equal."""
    weights = {path: weight for path, weight in model.weights_by_path().items() if not is_matrix(path)}
    if not is_adapted(model):
        return weights
    for path in model.lora["layers"]:
        layer = find_layer(model, path)
        down, up = (_to_numpy(matrix) for matrix in (layer.lora_kernel_a, layer.lora_kernel_b))
        kernel = weights[f"{path}/kernel"]
        merged = _to_numpy(kernel) + layer.lora_alpha / layer.lora_rank * (down @ up)
        weights[f"{path}/kernel"] = keras.Variable(merged, dtype=kernel.dtype, trainable=False, name="kernel")
    return weights


def _dense_paths(model: Any, names: tuple[str, ...]) -> list[str]:
    if _HEAD in names or not names:
        raise ValueError(f"enable_lora needs roles other than the head, which trains as a whole; got roles={names}.")
    roles = roles_of(model)
    require_roles("enable_lora", names, roles.values())
    paths = list(dict.fromkeys(path.rpartition("/")[0] for path, role in roles.items() if role.name in names))
    dense = [path for path in paths if isinstance(find_layer(model, path), keras.layers.Dense)]
    found = {roles[f"{path}/kernel"].name for path in dense}
    if set(names) - found:
        fitting = {roles[path].name for path in roles if _is_dense_kernel(model, path)} - {_HEAD}
        raise ValueError(
            f"enable_lora needs roles of dense layers, {', '.join(sorted(fitting))}; "
            f"got {', '.join(map(repr, sorted(set(names) - found)))}."
        )
    return dense


def _is_dense_kernel(model: Any, path: str) -> bool:
    layer, _, name = path.rpartition("/")
    return name == "kernel" and isinstance(find_layer(model, layer), keras.layers.Dense)


def _to_numpy(variable: Any) -> Any:
    return to_numpy(variable).astype("float32")
