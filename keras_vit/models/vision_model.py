"""The base of every model: a functional graph built from a config, and what belongs to its weights."""

import contextlib
import os
from typing import Any, ClassVar, Self

import keras

from keras_vit.checkpoints import Adaptation, Entry, LoadReport
from keras_vit.hub import Paper
from keras_vit.layers.layer import direct_calls
from keras_vit.models import lora, quantization
from keras_vit.models.allocator import keep_freed_memory
from keras_vit.models.config import ModelConfig
from keras_vit.models.inference_methods import InferenceMethods
from keras_vit.models.input_checks import check_mesh
from keras_vit.models.paths import path_in
from keras_vit.models.preset_methods import PresetMethods
from keras_vit.models.roles import Role
from keras_vit.models.training_methods import TrainingMethods
from keras_vit.preprocessing import Preprocessing


class VisionModel(PresetMethods, InferenceMethods, TrainingMethods):
    """Base of all models: a functional graph built from a config, with preprocessing, labels and provenance.

    A subclass sets `config_class` and provides `build_graph`, `canonical_entries`, `variable_roles`, `adaptations`,
    `timm_settings`, `count_macs`, `count_weights` and `papers`.

    Args:
        config: A config of the subclass; None takes its defaults.
        preprocessing: How pixels become model input; None scales them to -1..1 at the model's image size.
        labels: Names of the classes, in the order of the logits.
        provenance: Licence, source, training and evaluation of the weights, as plain data; None means weights that
            start here, under MIT like the package.
        dtype: Name of a dtype policy, such as "mixed_bfloat16"; None takes Keras' global one.
        remat: Whether training computes what is inside the encoder layers a second time instead of keeping it in memory
            (gradient checkpointing). Saved in `.keras` files, but not with presets.
        name: Name of the model.
        trainable: Whether the weights train, as in every Keras model.
        fields: Fields of the config, instead of or on top of `config`.
    """

    config_class: ClassVar[type[ModelConfig]]
    head_weights: ClassVar[tuple[str, ...]] = ("head/logits/", "head/distillation_logits/")  # paths start with these

    def __init__(
        self,
        config: ModelConfig | None = None,
        *,
        preprocessing: Preprocessing | dict[str, Any] | None = None,
        labels: Any = None,
        provenance: dict[str, Any] | None = None,
        dtype: Any = None,
        remat: bool = False,
        name: str | None = None,
        trainable: bool = True,
        parts: dict[str, Any] | None = None,  # of the graph, which no config describes
        **fields: Any,
    ) -> None:
        if config is not None and type(config) is not self.config_class:
            raise TypeError(
                f"{type(self).__name__} needs config to be a {self.config_class.__name__}; got {config!r}. "
                "Pass fields by name, as in ViT(depth=9)."
            )
        config = self.config_class.from_dict(fields) if config is None else config.replace(**fields)
        check_mesh(config)
        keep_freed_memory()
        policy = keras.dtype_policies.get(dtype)
        with self._remat_scope(config) if remat else contextlib.nullcontext():
            inputs, outputs = self.build_graph(config, policy, **(parts or {}))
        super().__init__(inputs=inputs, outputs=outputs, name=name or type(self).__name__.lower())
        self.dtype_policy = policy
        self.trainable = trainable
        self.config: Any = config
        self.remat = remat
        self.preprocessing = _as_preprocessing(preprocessing, config)
        self.labels = _check_labels(labels, config)
        self.provenance = {"license": "mit"} if provenance is None else dict(provenance)
        self.load_report: LoadReport | None = None
        self.certificate: dict[str, Any] | None = None
        self.base: dict[str, Any] | None = None  # name and revision of what the weights were loaded from
        self.lora: dict[str, Any] | None = None  # rank, alpha and layers, where there is LoRA
        self.curves: bytes | None = None  # PNG file of the training that made the weights

    # What a subclass provides.

    @staticmethod
    def build_graph(config: Any, dtype: Any) -> tuple[Any, Any]:
        """Returns the graph's inputs and outputs."""
        raise NotImplementedError

    @staticmethod
    def canonical_entries(config: Any) -> list[Entry]:
        """Returns the name of every variable in a canonical (timm) checkpoint."""
        raise NotImplementedError

    @staticmethod
    def variable_roles(config: Any) -> dict[str, Role]:
        """Returns the role of the variables of every layer, by the layer's path."""
        raise NotImplementedError

    @staticmethod
    def adaptations(stored: Any, wanted: Any) -> dict[str, Adaptation]:
        """Returns how weights of one config become those of another, for each variable whose shape differs."""
        raise NotImplementedError

    @staticmethod
    def timm_settings(config: Any) -> dict[str, Any]:
        """Returns what timm's `config.json` says of the model."""
        raise NotImplementedError

    @staticmethod
    def count_macs(config: Any, image_size: tuple[int, int]) -> int:
        """Returns the multiply-accumulate operations for one image of (height, width) pixels."""
        raise NotImplementedError

    @staticmethod
    def count_weights(config: Any) -> int:
        """Returns about how many weights a model has, without building it."""
        raise NotImplementedError

    @staticmethod
    def papers(name: str) -> tuple[Paper, ...]:
        """Returns the papers behind a checkpoint or repository of that name; of an empty name, the architecture's."""
        raise NotImplementedError

    @staticmethod
    def pyramid_layers(config: Any) -> dict[int, str]:
        """Returns, by stride in pixels, the name of the layer whose output is the last map of that stride.

        A map is a grid (batch, rows, columns, channels), or the tokens of a plain model with prefix tokens in front. A
        model without spatial tokens, or with patches that are not square, has none.
        """
        return {}

    to_transformers: ClassVar[Any] = None  # settings and entries of a writer, where transformers has such models

    def weights_by_path(self) -> dict[str, Any]:
        """Returns every weight by layer name and path in the layer, wherever the model was built."""
        return {path_in(layer, weight): weight for layer in self.layers for weight in layer.weights}

    @staticmethod
    def _remat_scope(config: Any) -> keras.RematScope:
        """Has encoder layers keep only their inputs; layers inside of them must not be computed again once more."""
        return keras.RematScope("list_of_layers", layer_names=[f"encoder_{index}" for index in range(config.depth)])

    # Keras.

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        with contextlib.nullcontext() if mask is not None else direct_calls(inputs, self.dtype_policy, training):
            return super().call(inputs, training=training, mask=mask, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {
            **self.config.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "labels": None if self.labels is None else list(self.labels),
            "provenance": dict(self.provenance),
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "remat": self.remat,
            "quantized": quantization.quantized_layers(self),
            "name": self.name,
            "trainable": self.trainable,
            "frozen_layers": [layer.name for layer in self.layers if not layer.trainable],
            "lora": None if self.lora is None else {**self.lora, "layers": list(self.lora["layers"])},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        settings = dict(config)
        settings["dtype"] = keras.dtype_policies.deserialize(settings["dtype"], custom_objects)
        frozen_layers, matrices = settings.pop("frozen_layers"), settings.pop("lora", None)
        quantized = settings.pop("quantized", {})
        model = cls(**settings)
        for name in frozen_layers:
            model.get_layer(name).trainable = False
        if matrices is not None:
            lora.add_matrices(model, matrices["layers"], matrices["rank"], matrices["alpha"])
        quantization.restore(model, quantized)
        return model


def from_preset(preset: str | os.PathLike[str], **arguments: Any) -> VisionModel:
    """Builds the model that a preset names, of whichever class; arguments as in `VisionModel.from_preset`."""
    return VisionModel.from_preset(preset, **arguments)


def _as_preprocessing(preprocessing: Any, config: Any) -> Preprocessing:
    if preprocessing is not None:
        record = Preprocessing.from_dict(preprocessing) if isinstance(preprocessing, dict) else preprocessing
        if record.num_channels != config.in_channels or config.image_size not in (None, record.image_size):
            raise ValueError(
                "preprocessing needs to make what the model takes; got images of "
                f"{record.image_size} pixels and {record.num_channels} channel(s) for a model with "
                f"image_size={config.image_size}, in_channels={config.in_channels}."
            )
        return record
    return Preprocessing(
        image_size=config.usual_size,
        num_channels=config.in_channels,
        crop_fraction=1.0,
        mean=(0.5,),
        std=(0.5,),
    )


def _check_labels(labels: Any, config: Any) -> tuple[str, ...] | None:
    if labels is None:
        return None
    labels = tuple(str(label) for label in labels)
    if len(labels) != config.num_classes:
        raise ValueError(f"labels needs one name per class; got {len(labels)} names, num_classes={config.num_classes}.")
    return labels
