"""What every model of the package can do: presets, classification, taps, and checks of what `fit` is given."""

import os
import warnings
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np

from keras_vit import hub
from keras_vit.checkpoints import Adaptation, Entry, LoadReport
from keras_vit.hub import COMMIT_MESSAGE, Paper, Upload
from keras_vit.models import certificate, preset_folder, publishing
from keras_vit.models.allocator import keep_freed_memory
from keras_vit.models.certificate import Verification
from keras_vit.models.config import ModelConfig
from keras_vit.preprocessing import Preprocessing

KEEP: Any = object()  # "as the preset has it", where None means something else


class VisionModel(keras.Model):
    """Base of all models: a functional graph built from a config, with preprocessing, labels and provenance.

    A subclass sets `config_class` and provides `build_graph`, `canonical_entries`, `adaptations`, `timm_settings`,
    `count_macs` and `papers`.
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
        name: str | None = None,
        trainable: bool = True,
        **fields: Any,
    ) -> None:
        if not isinstance(config, self.config_class | None):
            raise TypeError(
                f"{type(self).__name__} needs config to be a {self.config_class.__name__}; got {config!r}. "
                "Pass fields by name, as in ViT(depth=9)."
            )
        config = self.config_class.from_dict(fields) if config is None else config.replace(**fields)
        keep_freed_memory()
        policy = keras.dtype_policies.get(dtype)
        inputs, outputs = self.build_graph(config, policy)
        super().__init__(inputs=inputs, outputs=outputs, name=name or type(self).__name__.lower())
        self.dtype_policy = policy
        self.trainable = trainable
        self.config: Any = config
        self.preprocessing = _as_preprocessing(preprocessing, config)
        self.labels = _check_labels(labels, config)
        self.provenance = {"license": "mit"} if provenance is None else dict(provenance)
        self.load_report: LoadReport | None = None
        self.certificate: dict[str, Any] | None = None
        self.curves: bytes | None = None  # PNG file of the training that made the weights
        self._has_warned = False

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
    def papers(name: str) -> tuple[Paper, ...]:
        """Returns the papers behind a checkpoint or repository of that name; of an empty name, the architecture's."""
        raise NotImplementedError

    to_transformers: ClassVar[Any] = None  # settings and entries of a writer, where transformers has such models

    # Presets.

    @classmethod
    def from_preset(
        cls,
        preset: str | os.PathLike[str],
        *,
        num_classes: int | None = None,
        image_size: Any = KEEP,
        patch_size: int | tuple[int, int] | None = None,
        in_channels: int | None = None,
        pooling: str | None = None,
        drop_path_rate: float | None = None,
        load_weights: bool = True,
        dtype: Any = None,
        **download: Any,
    ) -> Self:
        """Builds a model from a preset's name, folder, file or Hub repository, and loads its weights.

        `load_report` of the model says what became of every weight.

        Args:
            preset: A name that `keras_vit.list_presets()` knows; a folder that `save_to_preset`, timm, transformers or
                KerasHub wrote; a `.npz` file of Google's; or a Hub repository of these kinds, "owner/name",
                "hf://owner/name@revision".
            num_classes: Puts a new head of this many classes on the model; 0 leaves out the head.
            image_size: (height, width) in pixels to use the model at, or None for any size; positions are resampled.
            patch_size: Pixels of a patch; the patch kernel is resampled as in FlexiViT.
            in_channels: Channels of the images; the patch kernel is adapted from RGB as timm does.
            pooling: Another way from tokens to one vector; what it needs newly starts at random.
            drop_path_rate: Stochastic depth to train with, 0 <= rate < 1.
            load_weights: False keeps the random starting weights.
            dtype: Name of a dtype policy, such as "mixed_bfloat16".
            download: For Hub repositories: `revision`, `token`, `cache_dir`, `endpoint`, `local_files_only` as in
                `keras_vit.hub.download`.

        Raises:
            ValueError: The name is unknown (close ones are named), the preset is of another class, or the weights
                do not fit the model: all differences are listed.
            OSError: A repository cannot be downloaded.
        """
        wanted = {
            "num_classes": num_classes,
            "patch_size": patch_size,
            "in_channels": in_channels,
            "pooling": pooling,
            "drop_path_rate": drop_path_rate,
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        if image_size is not KEEP:
            changes["image_size"] = image_size
        model: Self = preset_folder.load(preset, cls, changes, load_weights=load_weights, dtype=dtype, **download)
        return model

    def save_to_preset(
        self, folder: str | os.PathLike[str], *, certify: bool = False, keras_files: bool = False
    ) -> Path:
        """Writes `config.json`, `model.safetensors`, `README.md` and `LICENSE`, all of them or nothing.

        Args:
            folder: Where to write.
            certify: Whether to run the model once and record what it returns, for `verify` after loading.
            keras_files: Whether to write Keras' own files too, so that `keras.saving.load_model(folder)` works; the
                weights are then there twice.

        Raises:
            OSError: The folder cannot be written; an older one stays as it was.
            ValueError: A weight is not finite.
        """
        return preset_folder.save(self, folder, certify=certify, has_keras_files=keras_files)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str = COMMIT_MESSAGE,
        token: str | bool | None = None,
        endpoint: str | None = None,
        dry_run: bool | str | os.PathLike[str] = False,
        license: str | None = None,  # noqa: A002
        keras_files: bool = True,
    ) -> Upload | Path:
        """Publishes the model on the Hub, in one commit: a folder as of `save_to_preset`, with a certificate.

        `keras_vit.from_preset(repository)`, `timm.create_model("hf-hub:...", pretrained=True)` and, through timm,
        transformers load it; after `import keras_vit`, so does `keras.saving.load_model("hf://...")`.

        Args:
            repository: "owner/name" or "hf://owner/name"; made where there is none.
            private: Whether only the owner sees a new repository; None takes the owner's default. True refuses to
                upload to a public one.
            revision: Branch, which is made where there is none; None means the main one.
            create_pr: Whether to propose the change as a pull request to the main branch.
            commit_message: Title of the commit or pull request.
            token: Access token; None takes the one that is logged in.
            endpoint: Address of the Hub; None takes the usual one.
            dry_run: True, or a folder: writes what would be uploaded there, or to a new temporary folder, and uploads
                nothing.
            license: Licence of the weights, as the Hub spells it. Needed where none is recorded; the licence of weights
                from elsewhere stays.
            keras_files: Whether to add Keras' own files; the weights are then there twice.

        Returns:
            What was published; the folder where nothing was, because of `dry_run`.

        Raises:
            ValueError: An argument is wrong, the licence is unknown or forbids it, or a weight is not finite.
            PermissionError: The token is unknown to the Hub, or may not write there.
            ConnectionError: The Hub cannot be reached, or fails.
            OSError: The Hub refuses the upload, for one because somebody else changed the repository in the meantime.
        """
        return publishing.push(
            self,
            repository,
            dry_run=dry_run,
            license=license,
            keras_files=keras_files,
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            token=token,
            endpoint=endpoint,
        )

    def save_for_transformers(self, folder: str | os.PathLike[str]) -> Path:
        """Writes a folder that transformers loads as a model of its own, with its names, settings and processor.

        Folders of `save_to_preset` load in transformers too, through timm; this is for where timm is not installed.

        Raises:
            OSError: The folder cannot be written; an older one stays as it was.
            ValueError: transformers has no model like this one (the settings are named), or a weight is not finite.
        """
        return preset_folder.save_for_transformers(self, folder)

    def verify(self) -> Verification:
        """Compares what the model returns for a fixed input with what was recorded when the preset was converted.

        Proves, on any backend, that the weights arrived and are computed with as they should be.

        Raises:
            VerificationError: An encoder layer or the outputs differ by more than rounding; the first one is named.
            ValueError: The preset has no certificate, or the model has been changed since.
        """
        if self.certificate is None:
            raise ValueError(
                "verify needs a model loaded, unchanged, from a preset with a certificate, which `keras-vit convert` "
                "and save_to_preset(folder, certify=True) write; this model has none."
            )
        return certificate.verify(self, self.certificate)

    # Use.

    def classify(self, images: Any, top: int = 5) -> Any:
        """Returns the most probable classes as [(label, probability), ...], best first.

        Args:
            images: A path, PIL image or pixel array, from which one list is returned; or a list of them or a batch
                (batch, height, width, channels), from which a list of lists is returned.
            top: How many classes to return, > 0.

        Raises:
            ValueError: The model has no head, or an image cannot be read.
        """
        if not self.config.num_classes or len(self.outputs[0].shape) != 2:
            raise ValueError(
                f"classify needs one vector of logits per image; got num_classes={self.config.num_classes}, "
                f"output shape {tuple(self.outputs[0].shape)}. Use a model with a head and a pooling."
            )
        if top < 1:
            raise ValueError(f"classify needs top >= 1; got {top=}.")
        batch = self.preprocessing(images)
        logits = np.asarray(self.predict(batch, verbose=0), dtype="float64")
        probabilities = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        labels = self.labels or tuple(f"class {index}" for index in range(self.config.num_classes))
        best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :top]
        results = [
            [(labels[index], float(row[index])) for index in indices]
            for row, indices in zip(probabilities, best, strict=True)
        ]
        is_several = isinstance(images, list | tuple) or getattr(images, "ndim", 0) == 4
        return results if is_several else results[0]

    def features(self, images: Any, layers: int | str | list[int | str] | None = None) -> Any:
        """Returns the tokens (batch, num_tokens, embed_dim) that leave one encoder layer, or several.

        Args:
            images: Model input, (batch, height, width, channels); an array, a tensor or a Keras input.
            layers: Number of an encoder layer (-1 is the last) or name of any layer; a list returns a list; None
                means the tokens that the head reads.

        Raises:
            ValueError: There is no such layer.
        """
        if layers is None:
            return keras.Model(self.input, self.get_layer("head").input)(images, training=False)
        names = [self._layer_name(layer) for layer in (layers if isinstance(layers, list | tuple) else [layers])]
        outputs = [self.get_layer(name).output for name in names]
        tokens = keras.Model(self.input, outputs)(images, training=False)
        tokens = list(tokens) if isinstance(tokens, list | tuple) else [tokens]
        return tokens if isinstance(layers, list | tuple) else tokens[0]

    def weights_by_path(self) -> dict[str, Any]:
        """Returns every weight by layer name and path in the layer, wherever the model was built."""
        return {
            layer.name + weight.path[len(layer.path) :]: weight for layer in self.layers for weight in layer.weights
        }

    # Keras.

    def get_config(self) -> dict[str, Any]:
        return {
            **self.config.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "labels": None if self.labels is None else list(self.labels),
            "provenance": dict(self.provenance),
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
            "trainable": self.trainable,
            "frozen_layers": [layer.name for layer in self.layers if not layer.trainable],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        settings = dict(config)
        settings["dtype"] = keras.dtype_policies.deserialize(settings["dtype"], custom_objects)
        frozen_layers = settings.pop("frozen_layers")
        model = cls(**settings)
        for name in frozen_layers:
            model.get_layer(name).trainable = False
        return model

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_images(images)
        return super().__call__(images, *args, **kwargs)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._check_data(x, y)
        held_out = kwargs.get("validation_data")
        self._check_data(*(held_out[:2] if isinstance(held_out, list | tuple) else [held_out]))
        self.provenance = preset_folder.lasting(self.provenance, hub.FINE_TUNED)
        self.certificate = self.curves = None
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._check_data(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_images(x)
        return super().predict(x, *args, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> Any:
        # Keras exports only models that have been called, and loading is no call.
        self(np.zeros((1, *self.preprocessing.image_size, self.config.in_channels), "float32"))
        return super().export(*args, **kwargs)

    # Private helpers.

    def _layer_name(self, layer: int | str) -> str:
        if isinstance(layer, str):
            return layer
        names = [each.name for each in self.layers if each.name.startswith("encoder_")]
        if not -len(names) <= layer < len(names):
            raise ValueError(f"features needs a layer from {-len(names)} to {len(names) - 1}; got {layer=}.")
        return names[layer]

    def _check_data(self, images: Any, labels: Any = None) -> None:
        self._check_images(images)
        self._check_labels(images, labels)

    def _check_images(self, images: Any) -> None:
        """Raises for a wrong shape; warns once when an array (tensors are left alone) is plainly not normalised."""
        needed = (*(self.config.image_size or ("height", "width")), self.config.in_channels)
        shape = tuple(getattr(images, "shape", ()))
        pairs = list(zip(needed, shape[1:], strict=False))
        # Keras itself checks on some ways only: on JAX not in fit and predict.
        if len(shape) == 4 and any(isinstance(size, int) and found not in (None, size) for size, found in pairs):
            raise ValueError(
                f"{type(self).__name__} needs images (batch, {', '.join(map(str, needed))}); got shape {shape}. "
                "Convert or resize them, or give the model other in_channels or image_size (None takes any size)."
            )
        if self._has_warned or not isinstance(images, np.ndarray) or not images.size:
            return
        problem = self.preprocessing.range_problem(images[:16])
        if problem is not None:
            self._has_warned = True
            warnings.warn(f"{type(self).__name__}: {problem}", UserWarning, stacklevel=3)

    def _check_labels(self, data: Any, labels: Any) -> None:
        """Raises where labels cannot belong to the head, before any work."""
        num_classes = self.config.num_classes
        if not num_classes or len(self.outputs[0].shape) != 2:
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
    rows, columns = config.grid_size
    own_size = (rows * config.patch_size[0], columns * config.patch_size[1])
    return Preprocessing(
        image_size=config.image_size or own_size,
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
