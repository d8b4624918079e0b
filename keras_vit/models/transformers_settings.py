"""config.json of transformers: what all its models write alike, read with checks and written."""

from collections.abc import Mapping, Sequence
from typing import Any

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
    "swish": "silu",
    **dict.fromkeys(("gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_python_tanh"), "gelu_tanh"),
}
# Ours -> transformers' name of it.
ACTIVATION_NAMES = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "quick_gelu": "quick_gelu", "silu": "silu"}

_MAX_NUMBER = 10**9  # keeps arithmetic finite; the config has the true limits


def read_values(own: Mapping[str, Any], defaults: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """Returns the settings that have defaults, checked to be of the kind of their defaults.

    Args:
        own: What config.json says of the image model.
        defaults: Files leave out what equals the default of their model_type.
        model_type: For the message.

    Raises:
        ValueError: Settings have the wrong type; all are listed.
    """
    values = {name: own.get(name, default) for name, default in defaults.items()}
    problems = [
        f"- {name} needs {rule}; got {values[name]!r}"
        for name, default in defaults.items()
        if (rule := _broken_rule(name, values[name], default)) is not None
    ]
    if problems:
        raise ValueError(f"config.json of {model_type!r} has {len(problems)} wrong setting(s):\n" + "\n".join(problems))
    return values


def read_activation(name: str, architecture: str) -> str:
    """Returns our name of an activation."""
    if name not in ACTIVATIONS:
        raise ValueError(
            f"{architecture} needs hidden_act to be one of {', '.join(ACTIVATIONS)}; got hidden_act={name!r} in "
            "config.json."
        )
    return ACTIVATIONS[name]


def read_pair(size: Any) -> tuple[int, int]:
    """Returns (height, width) of one number or two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def count_classes(settings: Mapping[str, Any]) -> int:
    """Returns the number of classes of a classifier."""
    names = class_names(settings)
    return settings.get("num_labels", 2) if names is None else len(names)  # files leave out two classes without names


def read_labels(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns the names of a classifier's classes in the order of the logits, or None where there are only numbers."""
    names = class_names(settings)
    if names is None or all(name == f"LABEL_{index}" for index, name in enumerate(names)):
        return None
    return names


def write_labels(num_classes: int, labels: Sequence[str] | None) -> dict[str, Any]:
    """Returns what config.json says of the classes."""
    names = list(labels) if labels else [f"LABEL_{index}" for index in range(num_classes)]
    return {
        "id2label": {str(index): name for index, name in enumerate(names)},
        "label2id": {name: index for index, name in enumerate(names)},
    }


def class_names(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns what id2label says, in the order of its numbers: JSON sorts "10" before "2"."""
    names = settings.get("id2label")
    if names is None:
        return None
    by_number = {str(key): str(name) for key, name in names.items()} if isinstance(names, dict) else {}
    numbers = [str(index) for index in range(len(by_number))]
    if not isinstance(names, dict) or by_number.keys() != set(numbers):
        raise ValueError(
            f"config.json needs id2label to name classes 0, 1, 2, ... without a gap; got {_shortened(names)}."
        )
    return tuple(by_number[number] for number in numbers)


def _broken_rule(name: str, value: Any, default: Any) -> str | None:
    if name in ("image_size", "patch_size"):
        sizes = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
        return None if all(type(size) is int and size > 0 for size in sizes) else "one or two whole numbers > 0"
    if isinstance(default, list):  # one for each stage
        rules = [_broken_rule("", each, default[0]) for each in value] if isinstance(value, list | tuple) else ["list"]
        return None if rules and not any(rules) else "a list with one value for each stage"
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, str):
        return None if isinstance(value, str) else "a name"
    if isinstance(default, float) or name == "mlp_ratio":
        return None if type(value) in (int, float) and 0 <= value < _MAX_NUMBER else "a number >= 0"
    low = 0 if name == "num_register_tokens" or default == 0 else 1
    return None if type(value) is int and low <= value < _MAX_NUMBER else f"a whole number >= {low}"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."
