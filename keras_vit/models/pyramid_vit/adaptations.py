"""Adaptations: what becomes of stored weights when the model has another number of channels; any size fits."""

from keras_vit.checkpoints import Adaptation
from keras_vit.models.adapting import kernel_adaptation
from keras_vit.models.pyramid_vit.config import PyramidViTConfig


def adaptations(stored: PyramidViTConfig, wanted: PyramidViTConfig) -> dict[str, Adaptation]:
    """Returns how the weights of one config become those of another, for each variable whose shape changes."""
    if stored.in_channels == wanted.in_channels:
        return {}
    first = stored.stages[0]
    size = (first.patch_size, first.patch_size)
    kernels = [(size, config.in_channels) for config in (stored, wanted)]
    return {f"{first.embedding}/kernel": kernel_adaptation(kernels[0], kernels[1], stored.embed_dims[0])}
