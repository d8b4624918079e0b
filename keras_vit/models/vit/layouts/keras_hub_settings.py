"""The JSON files of KerasHub's preset folders, read as our config and preprocessing: plain fields, never objects."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.keras_hub_keys import BACKBONES, Backbone

Files = dict[str, Any]  # content of each JSON file by its name

# Classifier -> the backbone it is made for.
_CLASSIFIERS = {
    "keras_hub>ViTImageClassifier": "keras_hub>ViTBackbone",
    "keras_hub>DeiTImageClassifier": "keras_hub>DeiTBackbone",
}
_CONVERTERS = ("keras_hub>ViTImageConverter", "keras_hub>DeiTImageConverter", "keras_hub>ImageConverter")
_POOLINGS = {"token": "token", "gap": "mean"}
_ACTIVATIONS = (None, "linear", "softmax")
_INTERPOLATIONS = {"bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest", "lanczos3": "lanczos"}
_REQUIRED: Any = object()


def backbone_of(files: Files) -> Backbone:
    """Returns how the weights of the folder's backbone are named."""
    return BACKBONES[_section(files, "config.json", BACKBONES)[0]]


def config_of(files: Files) -> ViTConfig:
    """Returns the config of the folder's classifier, or of its backbone where it has no classifier.

    GELU is the exact one in both of KerasHub's models. Dropout is the user's choice, and left out.

    Raises:
        ValueError: A class or setting makes another model than ours; a setting is missing or of a wrong type.
    """
    class_name, fields = _section(files, "config.json", BACKBONES)
    _check_dtype(fields.get("dtype"))
    image_shape = _take(fields, "config.json", "image_shape", (list, tuple))
    if len(image_shape) != 3:
        raise ValueError(f"KerasHub's config.json needs image_shape (height, width, channels); got {image_shape=}.")
    embed_dim = _take(fields, "config.json", "hidden_dim", (int,))
    mlp_dim = _take(fields, "config.json", BACKBONES[class_name].mlp_dim, (int,))
    if embed_dim < 1:
        raise ValueError(f"KerasHub's config.json needs hidden_dim >= 1; got hidden_dim={embed_dim}.")
    use_class_token = _use(fields, "use_class_token")
    use_attention_bias, use_mlp_bias = _use(fields, "use_mha_bias"), _use(fields, "use_mlp_bias")
    return ViTConfig(
        image_size=tuple(image_shape[:2]),
        in_channels=image_shape[2],
        patch_size=_take(fields, "config.json", "patch_size", (int, list, tuple)),
        embed_dim=embed_dim,
        depth=_take(fields, "config.json", "num_layers", (int,)),
        num_heads=_take(fields, "config.json", "num_heads", (int,)),
        mlp_ratio=mlp_dim / embed_dim,
        use_class_token=use_class_token,
        num_register_tokens=int(BACKBONES[class_name].is_distilled),
        use_qkv_bias=use_attention_bias,
        use_projection_bias=use_attention_bias or use_mlp_bias,
        norm_epsilon=_take(fields, "config.json", "layer_norm_epsilon", (float, int), 1e-6),
        **_head(files, class_name, use_class_token),
    )


def absent_biases(files: Files, config: ViTConfig) -> list[str]:
    """Returns the biases that our model has and the folder's does without."""
    fields = _section(files, "config.json", BACKBONES)[1]
    parts = []
    if config.use_projection_bias and not _use(fields, "use_mha_bias"):
        parts.append("attention/projection/bias")
    if config.use_projection_bias and not _use(fields, "use_mlp_bias"):
        parts += ["mlp/expand/bias", "mlp/contract/bias"]
    paths = [] if _use(fields, "use_patch_bias") else ["patch_embedding/bias"]
    return paths + [f"encoder_{index}/{part}" for index in range(config.depth) for part in parts]


def preprocessing_of(files: Files, config: ViTConfig) -> dict[str, Any] | None:
    """Returns the fields of `Preprocessing` that do what the folder's image converter does, if there is one.

    Ours always averages pixels where it scales images down; KerasHub's does so with `antialias` only.

    Raises:
        ValueError: The converter pads images, or resizes or scales them in a way that ours cannot.
    """
    file, found = "image_converter.json", files.get("image_converter.json")
    if found is None:
        file, found = "preprocessor.json", _nested_converter(files.get("preprocessor.json"))
    if found is None:
        return None
    converter = _section({file: found}, file, _CONVERTERS)[1]
    interpolation = converter.get("interpolation", "bilinear")
    if interpolation not in tuple(_INTERPOLATIONS) or converter.get("pad_to_aspect_ratio"):
        raise ValueError(
            f"KerasHub's {file} needs interpolation of {', '.join(_INTERPOLATIONS)} and no padding; got "
            f"{interpolation=}, pad_to_aspect_ratio={converter.get('pad_to_aspect_ratio')!r}. Remove the file, and "
            "preprocess images yourself."
        )
    scale, offset = _numbers(converter, file, "scale", 1.0), _numbers(converter, file, "offset", 0.0)
    if not (scale > 0).all():
        raise ValueError(f"KerasHub's {file} needs scale > 0; got scale={scale.tolist()}.")
    std = 1 / (255 * scale)  # theirs is scale * pixel + offset, ours (pixel / 255 - mean) / std
    return {
        "image_size": config.image_size,
        "num_channels": config.in_channels,
        "crop_fraction": 1.0,
        "crop_mode": "center" if converter.get("crop_to_aspect_ratio", True) else "squash",
        "interpolation": _INTERPOLATIONS[interpolation],
        "mean": tuple((-offset * std).tolist()),
        "std": tuple(std.tolist()),
    }


def _head(files: Files, backbone: str, use_class_token: bool) -> dict[str, Any]:
    """Returns what task.json says; a backbone alone is pooled as a classifier would do."""
    if files.get("task.json") is None:
        return {"num_classes": 0, "pooling": "token" if use_class_token else "mean"}
    class_name, fields = _section(files, "task.json", _CLASSIFIERS)
    if _CLASSIFIERS[class_name] != backbone:
        raise ValueError(
            f"KerasHub's {class_name} in task.json needs {_CLASSIFIERS[class_name]}; got {backbone} in config.json. "
            "Save the preset again, into an empty folder."
        )
    activation, pooling = fields.get("activation"), fields.get("pooling", "token")
    if isinstance(activation, dict):  # a function, not its name
        activation = activation.get("config")
    if activation not in _ACTIVATIONS:
        raise ValueError(
            f"KerasHub's task.json needs activation of {', '.join(map(str, _ACTIVATIONS))}, as our models return "
            f"logits; got {activation=}. Load the backbone alone: remove task.json and task.weights.h5."
        )
    if pooling not in tuple(_POOLINGS) or (pooling == "token" and not use_class_token):
        raise ValueError(
            f"KerasHub's task.json needs pooling 'gap', or 'token' with a class token; got {pooling=}, "
            f"{use_class_token=}. Load the backbone alone: remove task.json and task.weights.h5."
        )
    return {
        "num_classes": _take(fields, "task.json", "num_classes", (int,)),
        "pooling": _POOLINGS[pooling],
        "pool_prefix_tokens": pooling == "gap",
        "pre_logits_dim": fields.get("intermediate_dim"),
    }


def _nested_converter(preprocessor: Any) -> Any:
    fields = preprocessor.get("config") if isinstance(preprocessor, dict) else None
    return fields.get("image_converter") if isinstance(fields, dict) else None


def _section(files: Files, file: str, known: Collection[str]) -> tuple[str, dict[str, Any]]:
    """Returns class and fields of what a file describes."""
    section = files.get(file)
    class_name, fields = (
        (section.get("registered_name"), section.get("config")) if isinstance(section, dict) else ("", 0)
    )
    if class_name not in tuple(known):
        raise ValueError(
            f"KerasHub's {file} needs one of the classes {', '.join(known)}; got {class_name!r}. Other models of "
            "KerasHub are not ViTs that keras_vit can build."
        )
    if not isinstance(fields, dict):
        raise ValueError(f"KerasHub's {file} needs a dict of settings; got config={fields!r}. Save the preset again.")
    return class_name, fields


def _take(fields: dict[str, Any], file: str, name: str, types: tuple[type, ...], default: Any = _REQUIRED) -> Any:
    value = fields.get(name, default)
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        found = "nothing" if value is _REQUIRED else f"{name}={value!r}"
        wanted = " or ".join(kind.__name__ for kind in types)
        raise ValueError(f"KerasHub's {file} needs {name} as {wanted}; got {found}. Save the preset again.")
    return value


def _use(fields: dict[str, Any], name: str) -> bool:
    """Returns a switch; those that a file or class does without are on."""
    return bool(_take(fields, "config.json", name, (bool,), True))


def _numbers(fields: dict[str, Any], file: str, name: str, default: float) -> NDArray[Any]:
    """Returns one number, or one for each channel, as an array of one axis."""
    value = fields.get(name)
    values = value if isinstance(value, list | tuple) else [default if value is None else value]
    for number in values:
        _take({name: number}, file, name, (float, int))
    return np.array(values, float)


def _check_dtype(policy: Any) -> None:
    """Refuses quantized weights; policies of floats only say how KerasHub computes."""
    name = policy.get("class_name") if isinstance(policy, dict) else "DTypePolicy"
    if name != "DTypePolicy":
        raise ValueError(
            f"KerasHub's config.json needs weights of floats, DTypePolicy; got {name!r}. Save the preset before it is "
            "quantized."
        )
