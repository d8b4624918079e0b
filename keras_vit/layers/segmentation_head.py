"""Segmentation head: scores the classes of every pixel from maps of patches."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm


@keras.saving.register_keras_serializable(package="keras_vit")
class SegmentationHead(Layer):
    """Normalises each map, scores its patches with a dense layer, adds the maps, and interpolates to the pixels.

    Logits are float32 under mixed precision, so that a loss keeps its digits. Maps are interpolated bilinearly, with
    patches taken for their middles: what a padded map covers beyond the image is cut off, and where pixels were left
    out, the outermost patches count for them.

    Args:
        num_classes: Number of classes, > 0.
        strides: Pixels from patch to patch of each map, > 0; each a multiple of the smallest.
        norm_epsilon: Added to the variance in the norms, > 0.

    Call:
        maps: One (batch, rows, columns, channels) for each stride, as a list.
        images: (batch, height, width, channels); only their size is read.
        -> (batch, height, width, num_classes) logits.

    Raises:
        ValueError: A number is not positive, strides do not fit one another, or there are more or fewer maps.

    Source: Oquab et al., "DINOv2", 2023, arXiv 2304.07193, for the linear head on one map.
    """

    def __init__(
        self, num_classes: int, strides: list[int] | tuple[int, ...], *, norm_epsilon: float = 1e-6, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(f"SegmentationHead needs num_classes >= 1; got {num_classes=}.")
        if not strides or min(strides) < 1 or any(stride % min(strides) for stride in strides):
            raise ValueError(f"SegmentationHead needs strides that are multiples of the smallest; got {strides=}.")
        self.num_classes = num_classes
        self.strides = list(strides)
        self.norm_epsilon = norm_epsilon

    def build(self, maps_shape: Any, images_shape: Any) -> None:
        if len(maps_shape) != len(self.strides):
            raise ValueError(
                f"SegmentationHead needs a map for each stride; got {len(maps_shape)} maps, strides={self.strides}."
            )
        self.norms, self.logits = [], []
        for index, shape in enumerate(maps_shape):
            norm = make_norm("layer_norm", self.norm_epsilon, name=f"norm_{index}", dtype=self.dtype_policy)
            dense = Dense(
                self.num_classes,
                kernel_initializer=glorot_uniform(),
                name=f"logits_{index}",
                dtype=self.variable_dtype,
            )
            norm.build(shape)
            dense.build(shape)
            self.norms.append(norm)
            self.logits.append(dense)

    def call(self, maps: Any, images: Any) -> Any:
        finest = self.strides.index(min(self.strides))
        size = ops.shape(maps[finest])[1:3]
        total = None
        for patches, stride, norm, dense in zip(maps, self.strides, self.norms, self.logits, strict=True):
            logits = _interpolate(dense(norm(patches)), size, stride // self.strides[finest])
            total = logits if total is None else total + logits
        return _interpolate(total, ops.shape(images)[1:3], self.strides[finest])

    def compute_output_shape(self, maps_shape: Any, images_shape: Any) -> Any:
        return (*images_shape[:3], self.num_classes)

    def compute_output_spec(self, maps: Any, images: Any) -> keras.KerasTensor:
        return keras.KerasTensor((*images.shape[:3], self.num_classes), self.variable_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "strides": self.strides,
            "norm_epsilon": self.norm_epsilon,
        }


def _interpolate(values: Any, size: Any, scale: int) -> Any:
    """Enlarges (batch, rows, columns, channels) `scale` times, to a size that may be smaller or larger than that."""
    if scale == 1 and tuple(values.shape[1:3]) == tuple(size):
        return values
    rows, columns = ops.shape(values)[1:3]
    # One matrix per axis: Keras' resize takes no sizes that are known at run time only.
    values = ops.einsum("ai,nijc->najc", _bilinear_matrix(rows, size[0], scale), values)
    return ops.einsum("bj,najc->nabc", _bilinear_matrix(columns, size[1], scale), values)


def _bilinear_matrix(size_in: Any, size_out: Any, scale: int) -> Any:
    """Returns (size_out, size_in); pixel a lies at (a + 0.5) / scale - 0.5 between the middles of the patches."""
    inputs = ops.cast(ops.arange(size_in), "float32")
    places = (ops.cast(ops.arange(size_out), "float32") + 0.5) / scale - 0.5
    places = ops.clip(places, 0.0, ops.cast(size_in - 1, "float32"))
    return ops.maximum(1.0 - ops.abs(places[:, None] - inputs[None, :]), 0.0)
