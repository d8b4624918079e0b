"""What a model does in training: Keras' own methods, with checks before any work and an honest history after it."""

from collections.abc import Collection
from typing import Any

import keras

from keras_vit import hub
from keras_vit.models import freezing, lora, preset_folder, roles
from keras_vit.models.input_checks import check_content, check_images, check_labels
from keras_vit.models.roles import Role


class TrainingMethods(keras.Model):
    """Base of `VisionModel`, which sets these attributes."""

    provenance: dict[str, Any]
    base: dict[str, Any] | None
    certificate: dict[str, Any] | None
    curves: bytes | None
    _batch_specs: Any = None  # shapes and dtypes of the batches to come, on TensorFlow

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> Any:
        check_images(self, images)
        return super().__call__(images, *args, **kwargs)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        held_out = kwargs.get("validation_data")
        for images, *labels in ((x, y), held_out if isinstance(held_out, list | tuple) else (held_out,)):
            check_images(self, images)
            check_labels(self, images, labels[0] if labels else None)
        check_content(x, "x")
        self.forget_measurements()
        return super().fit(x, y, *args, **kwargs)

    def train_step(self, *data: Any) -> Any:
        if keras.backend.backend() == "torch":
            # Keras lets go of the last step's gradients only after the forward call, when memory is fullest.
            self.zero_grad()
        return super().train_step(*data)

    def make_train_function(self, force: bool = False) -> Any:
        """As in Keras, which on TensorFlow leaves the variables of optimizer and metrics to the first step.

        TensorFlow then records that step as one graph and all others as another: twice the time until training starts,
        and 150 MB more (ViT-S/16). So they are made here; on the other backends Keras has made them.
        """
        specs, self._batch_specs = self._batch_specs, None
        if specs is not None and not self.run_eagerly:
            self._symbolic_build(data_batch=specs)
        return super().make_train_function(force)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # What Keras calls with the data, before it makes a function that runs a step.
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
        self._batch_specs = None if keras.backend.backend() != "tensorflow" else _specs(iterator, data_batch)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        check_images(self, x)
        check_labels(self, x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        check_images(self, x)
        return super().predict(x, *args, **kwargs)

    def forget_measurements(self) -> None:
        """Drops what is no longer true once weights change: measured accuracy, certificate, curves. `fit` does so."""
        self.provenance = preset_folder.lasting(self.provenance, hub.FINE_TUNED)
        self.certificate = self.curves = None
        if lora.trains_base(self):
            self.base = None

    def roles(self) -> dict[str, Role]:
        """Returns what each variable is for and how deep it lies, by its path in `weights_by_path`."""
        return roles.roles_of(self)

    def select_weights(self, *names: str, depths: int | Collection[int] | None = None) -> dict[str, Any]:
        """Returns the variables of some roles by path, such as `select_weights("qkv", "projection", depths=range(4))`.

        Args:
            names: Roles, of `keras_vit.models.ROLES`; none means all.
            depths: 0 is before the first encoder layer, i + 1 is encoder_i, the last is after all encoder layers; None
                means all.

        Raises:
            ValueError: A role or a depth matches no variable.
        """
        return roles.select(self, names, depths)

    def freeze(self, until: str | None = None) -> None:
        """Keeps layers as they are in training: those up to and including one, or all but the head.

        Compile the model afterwards: Keras takes what it trains from there.

        Args:
            until: Name of the last layer to freeze, such as "encoder_8"; None means all layers before the head.

        Raises:
            ValueError: There is no such layer, or nothing would be left to train.
        """
        freezing.freeze(self, until)

    def unfreeze(self) -> None:
        """Lets all layers train again. Compile the model afterwards.

        Raises:
            ValueError: The model has LoRA matrices.
        """
        freezing.unfreeze(self)

    def enable_lora(self, rank: int, roles: Collection[str] = ("qkv",), alpha: float | None = None) -> None:
        """Freezes the model but for its head, and puts small matrices to train beside the kernels of some roles.

        A kernel becomes kernel + alpha / rank * A @ B, with A of (in, rank) and B of (rank, out). B starts at zero: the
        model returns what it did. Compile it afterwards. `save_adapter` writes the matrices and the head alone,
        `save_to_preset` a whole model with the matrices added to the kernels.

        Args:
            rank: Inner width of the matrices, >= 1; 4 to 16 is usual.
            roles: Which dense layers: "qkv", "projection", "mlp".
            alpha: Scale, > 0; None takes `rank`, a scale of 1.

        Raises:
            ValueError: A number is out of range, a role has no dense layers, layers are frozen, or there is LoRA
                already.

        Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, arXiv 2106.09685.
        """
        lora.enable(self, rank, roles, alpha)


def _specs(iterator: Any, batch: Any) -> Any:
    """Returns shapes and dtypes of batches of images, labels and, maybe, weights; None where they are not known."""
    if iterator is not None:  # of Keras, around a tf.data.Dataset; what that yields is for the training alone
        batch = getattr(getattr(iterator, "_distributed_dataset", None), "element_spec", None)
    if not isinstance(batch, tuple) or len(batch) < 2 or batch[1] is None:
        return None
    try:
        return keras.tree.map_structure(
            lambda part: None if part is None else keras.KerasTensor(tuple(part.shape), part.dtype), batch
        )
    except (AttributeError, TypeError, ValueError):  # no tensors, or of any number of axes
        return None
