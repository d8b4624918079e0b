"""Layouts: what a reader of one kind of checkpoint gives, whatever library wrote it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_vit import checkpoints
from keras_vit.checkpoints import Entry
from keras_vit.models.config import ModelConfig

Array = NDArray[Any]
Tensors = Mapping[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """What a checkpoint's settings say of a model.

    Args:
        architecture: Name of the model class, such as "ViT".
        config: Settings of the model as it was stored.
        preprocessing: Fields of `Preprocessing` that are known; None where nothing is.
        labels: Names of the classes in the order of the logits, if they are known.
        provenance: Licence, source, training and evaluation, as far as they are known.
        certificate: What the model returned when it was converted, as `certificate.certify` gives it.
    """

    architecture: str
    config: ModelConfig
    preprocessing: dict[str, Any] | None = None
    labels: tuple[str, ...] | None = None
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    certificate: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyMap:
    """How the tensors of a checkpoint become a model's variables.

    Args:
        entries: One for each variable of the stored config.
        ignored: Tensors that the model has no use for, with the reason of each.
        zeros: Variables that the source does without, such as a bias or a norm, with the reason; they stay as they are
            built, without effect.
    """

    entries: list[Entry]
    ignored: dict[str, str] = dataclasses.field(default_factory=dict)
    zeros: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """One kind of checkpoint of one architecture.

    Args:
        name: Said in reports, such as "timm".
        recognises: (config.json or {}, names of the tensors) -> whether this layout is meant. The names are empty
            where only settings are asked for.
        describe: (config.json, tensors or {}) -> Description; raises ValueError where a setting is not supported.
        map_keys: (config.json, config, tensors) -> KeyMap; reads shapes only.
        weights_files: Names of the file of weights in a folder; the first that is there is opened.
        open_weights: Path of that file -> tensors, which `with` closes.
    """

    name: str
    recognises: Callable[[dict[str, Any], Any], bool]
    describe: Callable[[dict[str, Any], Tensors], Description]
    map_keys: Callable[[dict[str, Any], Any, Tensors], KeyMap]
    weights_files: tuple[str, ...] = ("model.safetensors", "model.safetensors.index.json")
    open_weights: Callable[[Path], Any] = checkpoints.open_weights


@dataclasses.dataclass(frozen=True)
class Writer:
    """How a model is written for another library.

    Args:
        settings: (config, labels, preprocessing) -> config.json and preprocessor_config.json; raises ValueError where
            the library cannot build the model.
        entries: Config -> where each variable is written to.
    """

    settings: Callable[..., tuple[dict[str, Any], dict[str, Any]]]
    entries: Callable[[Any], Any]


def shape_of(tensors: Tensors, name: str) -> tuple[int, ...]:
    """Returns the shape of a tensor, without reading it where that can be done."""
    return tuple(tensors.shape(name)) if hasattr(tensors, "shape") else np.shape(tensors[name])
