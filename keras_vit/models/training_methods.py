"""What a model does in training: Keras' own methods, with checks before any work and an honest history after it."""

from typing import Any

import keras

from keras_vit import hub
from keras_vit.models import preset_folder
from keras_vit.models.input_checks import check_images, check_labels


class TrainingMethods(keras.Model):
    """Base of `VisionModel`, which sets these attributes."""

    provenance: dict[str, Any]
    certificate: dict[str, Any] | None
    curves: bytes | None

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> Any:
        check_images(self, images)
        return super().__call__(images, *args, **kwargs)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        held_out = kwargs.get("validation_data")
        for images, *labels in ((x, y), held_out if isinstance(held_out, list | tuple) else (held_out,)):
            check_images(self, images)
            check_labels(self, images, labels[0] if labels else None)
        self.provenance = preset_folder.lasting(self.provenance, hub.FINE_TUNED)
        self.certificate = self.curves = None
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        check_images(self, x)
        check_labels(self, x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        check_images(self, x)
        return super().predict(x, *args, **kwargs)
