"""Feature pyramids: maps of several resolutions from any model, as detectors and segmenters expect of a backbone."""

import math
from typing import Any, Self

import keras

from keras_vit.layers.pyramid_level import PyramidLevel
from keras_vit.models.spatial_maps import spatial_maps
from keras_vit.models.vision_model import VisionModel

Maps = dict[int, tuple[str, Any]]  # by stride: the name of the layer, and its output


@keras.saving.register_keras_serializable(package="keras_vit")
class FeaturePyramid(keras.Model):
    """A backbone with maps of several strides, which shares the weights of a model; made by `feature_pyramid`.

    Args:
        model: The model whose tokens become maps.
        strides: Pixels from place to place in each map, powers of two, ascending.
        pyramid_dim: Width of the maps that are made from a plain model, channels, > 0.
        name: Name of the backbone.

    Call:
        images: (batch, height, width, channels) -> {"P2": (batch, height / 4, width / 4, channels), "P3": ...}; level
            Pn has stride 2**n.
    """

    def __init__(
        self,
        model: VisionModel,
        *,
        strides: tuple[int, ...] = (4, 8, 16, 32),
        pyramid_dim: int = 256,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        _check_strides(strides)
        maps = spatial_maps("feature_pyramid", model)
        coarsest = max(maps)
        # The stem of a hybrid has a map as well, but what the encoder layers know is in the tokens alone.
        is_plain = len(model.get_layer(maps[coarsest][0]).output.shape) == 3
        if is_plain:
            levels = _levels_of_one(model, strides, coarsest, maps[coarsest][1], pyramid_dim)
        else:
            levels = _own_levels(model, strides, maps)
        outputs = {f"P{int(math.log2(stride))}": tensor for stride, (_, tensor) in levels.items()}
        super().__init__(inputs=model.input, outputs=outputs, name=name or f"{model.name}_pyramid")
        # Not an attribute that Keras tracks: the model's head is no part of the backbone, and would never train.
        object.__setattr__(self, "_model", model)
        self.strides = tuple(strides)
        self.pyramid_dim = pyramid_dim
        self.trainable = trainable
        self._level_names = {level: name for level, (name, _) in zip(outputs, levels.values(), strict=True)}

    @property
    def model(self) -> VisionModel:
        """The model whose weights these are."""
        model: VisionModel = self._model
        return model

    @property
    def pyramid_level_inputs(self) -> dict[str, str]:
        """Name of the layer that each level comes from, as KerasCV reads a backbone."""
        return dict(self._level_names)

    @property
    def pyramid_outputs(self) -> dict[str, Any]:
        """The map of each level, as KerasHub reads a backbone."""
        return {level: self.get_layer(name).output for level, name in self._level_names.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            "model": keras.saving.serialize_keras_object(self.model),
            "strides": list(self.strides),
            "pyramid_dim": self.pyramid_dim,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects)
        return cls(**{**config, "model": model, "strides": tuple(config["strides"])})


def feature_pyramid(
    model: VisionModel, *, strides: tuple[int, ...] = (4, 8, 16, 32), pyramid_dim: int = 256
) -> FeaturePyramid:
    """Returns a backbone for detection and segmentation, which shares the weights of the model.

    Hierarchical models give their own maps. A plain Vision Transformer has one, which transposed convolutions and
    pooling turn into the others, as in ViTDet; their weights start anew. The head takes no part.

    Args:
        model: Any model of keras_vit.
        strides: Pixels from place to place in each map: powers of two, ascending; level Pn has stride 2**n.
        pyramid_dim: Width of maps made from a plain model, channels, > 0; hierarchical ones have their own.

    Returns:
        A Keras model of images that gives {"P2": map, ...}, with `pyramid_level_inputs` for KerasCV and
        `pyramid_outputs` for KerasHub. Saved in `.keras` files with the model's weights.

    Raises:
        TypeError: The model is not one of keras_vit.
        ValueError: It has no spatial tokens, or cannot give these strides.

    Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", 2022, arXiv 2203.16527.
    """
    return FeaturePyramid(model, strides=tuple(strides), pyramid_dim=pyramid_dim)


def _check_strides(strides: tuple[int, ...]) -> None:
    if not strides or not all(map(_is_power_of_two, strides)) or list(strides) != sorted(set(strides)):
        raise ValueError(f"feature_pyramid needs strides as ascending powers of two, in pixels; got {strides=}.")


def _is_power_of_two(size: int) -> bool:
    return type(size) is int and size > 0 and size & (size - 1) == 0


def _own_levels(model: VisionModel, strides: tuple[int, ...], maps: Maps) -> Maps:
    """Chooses maps of a hierarchical model."""
    missing = [stride for stride in strides if stride not in maps]
    if missing:
        raise ValueError(
            f"feature_pyramid needs strides that the stages of this {type(model).__name__} have, {list(maps)}; got "
            f"{strides=}. Leave {missing} out."
        )
    return {stride: maps[stride] for stride in strides}


def _levels_of_one(
    model: VisionModel, strides: tuple[int, ...], own_stride: int, patches: Any, pyramid_dim: int
) -> Maps:
    """Makes a map for each stride from the patches of a plain model."""
    if not _is_power_of_two(own_stride):
        raise ValueError(
            f"feature_pyramid needs a patch size that doubling and halving lead from to the strides, such as 8 or 16 "
            f"pixels; this {type(model).__name__} has {own_stride}. Load it with "
            f"patch_size={2 ** round(math.log2(own_stride))}: the patch kernels are resampled."
        )
    levels = {}
    for stride in strides:
        num_doublings = int(math.log2(own_stride)) - int(math.log2(stride))
        name = f"pyramid_{stride}"
        level = PyramidLevel(num_doublings, pyramid_dim, name=name, dtype=model.dtype_policy)
        levels[stride] = (name, level(patches))
    return levels
