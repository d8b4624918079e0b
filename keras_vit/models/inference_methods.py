"""What a model does with images: name them, and show the tokens of its layers."""

from typing import Any

import keras
import numpy as np

from keras_vit.preprocessing import Preprocessing


class InferenceMethods(keras.Model):
    """Base of `VisionModel`, which sets these attributes."""

    config: Any
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None

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

    def export(self, *args: Any, **kwargs: Any) -> Any:
        # Keras exports only models that have been called, and loading is no call.
        self(np.zeros((1, *self.preprocessing.image_size, self.config.in_channels), "float32"))
        return super().export(*args, **kwargs)

    def _layer_name(self, layer: int | str) -> str:
        if isinstance(layer, str):
            return layer
        names = [each.name for each in self.layers if each.name.startswith("encoder_")]
        if not -len(names) <= layer < len(names):
            raise ValueError(f"features needs a layer from {-len(names)} to {len(names) - 1}; got {layer=}.")
        return names[layer]
