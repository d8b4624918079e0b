"""What a model does with images: name them, and show the tokens of its layers."""

from typing import Any

import keras
import numpy as np

from keras_vit.models import preset_folder, quantization
from keras_vit.models.exporting import export
from keras_vit.models.preprocessing_model import with_preprocessing
from keras_vit.models.token_merging import merging_model
from keras_vit.preprocessing import Preprocessing


class InferenceMethods(keras.Model):
    """Base of `VisionModel`, which sets these attributes."""

    config: Any
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    provenance: dict[str, Any]
    certificate: dict[str, Any] | None

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

    def with_preprocessing(
        self, *, size: int | tuple[int, int] | None = None, softmax: bool = False, pixel_dtype: str = "float32"
    ) -> keras.Model:
        """Returns a model that takes raw pixels 0..255 and preprocesses them itself; it shares this one's weights.

        Its input is (batch, height, width, channels), so images of one batch have one size. It gives what
        `model(model.preprocessing(images))` gives, but for PIL's rounding of resized bytes: on photographs they
        differ by about 1 of 255 at most, beside hard edges by up to 6 (bicubic) or 13 (Lanczos).

        Args:
            size: (height, width) of all images in pixels, or one number for a square; None takes any size.
            softmax: Whether it returns probabilities instead of logits.
            pixel_dtype: "float32" takes whole numbers and floats; "uint8" takes bytes only, as exported models should.

        Raises:
            ValueError: An argument is out of range, the model has no logits for a softmax, or the preprocessing
                uses "box" or "nearest".
        """
        return with_preprocessing(self, size=size, softmax=softmax, pixel_dtype=pixel_dtype)

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",  # noqa: A002 - Keras' name
        *,
        with_preprocessing: bool | dict[str, Any] = False,
        **options: Any,
    ) -> None:
        """Writes the model for a runtime without Keras, with a free number of images.

        Args:
            filepath: Folder of a SavedModel, or file NAME.onnx or NAME.tflite.
            format: "tf_saved_model", "onnx" or "litert"; others are left to Keras.
            with_preprocessing: Whether the exported model takes raw bytes of any size: it is
                `model.with_preprocessing(pixel_dtype="uint8")`. A dict holds other arguments for that.
            options: Of `keras.Model.export`, such as `verbose`.

        Raises:
            ValueError: The backend cannot write the format, or the path has a wrong suffix.
            ImportError: A package that the format needs is missing.
        """
        export(self, super().export, filepath, format, with_preprocessing=with_preprocessing, **options)

    def with_token_merging(self, num_merged: int = 8) -> keras.Model:
        """Returns a faster model for inference, which merges similar tokens; it shares this one's weights.

        Needs no training. More merging is faster and less accurate: docs/efficiency.md has measured both.

        Args:
            num_merged: Number of tokens that each encoder layer merges away, >= 0; all layers together at most as
                many as there are patches to halve.

        Raises:
            ValueError: There are not as many patches, their number is not known (`image_size=None`), or the pooling
                reads patches one by one.
        """
        return merging_model(self, num_merged)

    def quantize(self, mode: str | None = None, config: Any = None, filters: Any = None) -> None:
        """Turns the kernels of dense layers into whole numbers: a quarter of the size in "int8"; for inference.

        Saved in `.keras` files; preset folders hold float weights only. docs/efficiency.md has measured accuracy, size
        and speed.

        Args:
            mode: "int8", or another one of Keras.
            config: Keras' quantisation config; None takes Keras' choice for the mode.
            filters: Which layers, by name (regular expression) or function; None takes all dense ones.

        Raises:
            ValueError: No layer is there to quantise, or Keras does not know the mode.
        """
        quantization.quantize(self, mode, config, filters)
        # What was measured and recorded is of the weights before.
        self.provenance = preset_folder.lasting(self.provenance, "quantised")
        self.certificate = None

    def _layer_name(self, layer: int | str) -> str:
        if isinstance(layer, str):
            return layer
        names = [each.name for each in self.layers if each.name.startswith("encoder_")]
        if not -len(names) <= layer < len(names):
            raise ValueError(f"features needs a layer from {-len(names)} to {len(names) - 1}; got {layer=}.")
        return names[layer]
