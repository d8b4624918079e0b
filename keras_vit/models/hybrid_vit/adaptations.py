"""Adaptations: what becomes of stored weights when a hybrid has another image size, patch size or channels."""

from keras_vit.checkpoints import Adaptation
from keras_vit.models.adapting import kernel_adaptation
from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.vit.adaptations import adaptations as vit_adaptations

# Stem -> its first layer, and the pixels that its kernel covers.
_FIRST = {"resnet": ("root_conv", 7), "conv": ("conv_0", 4)}


def adaptations(stored: HybridViTConfig, wanted: HybridViTConfig) -> dict[str, Adaptation]:
    """Returns how the weights of one config become those of another, for each variable whose shape changes."""
    found = vit_adaptations(stored.on_map, wanted.on_map)
    if stored.in_channels != wanted.in_channels:
        layer, size = _FIRST[stored.stem]
        kernels = [((size, size), config.in_channels) for config in (stored, wanted)]
        found[f"stem/{layer}/kernel"] = kernel_adaptation(kernels[0], kernels[1], stored.stem_dim)
    return found
