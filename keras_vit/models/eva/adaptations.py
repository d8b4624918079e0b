"""Adaptations: what becomes of stored EVA weights when the model has another image size, patch size or channels."""

from keras_vit.checkpoints import Adaptation
from keras_vit.models.adapting import kernel_adaptation, position_adaptation
from keras_vit.models.eva.config import EVAConfig


def adaptations(stored: EVAConfig, wanted: EVAConfig) -> dict[str, Adaptation]:
    """Returns how the weights of one config become those of another, for each variable whose shape changes.

    Rotary positions are computed for any grid.
    """
    found = {}
    if wanted.positional_encoding != "none" and stored.grid_size != wanted.grid_size:
        found["positional_encoding/table"] = position_adaptation(stored.grid_size, wanted.grid_size, stored.embed_dim)
    kernels = [(config.patch_size, config.in_channels) for config in (stored, wanted)]
    if kernels[0] != kernels[1]:
        found["patch_embedding/kernel"] = kernel_adaptation(kernels[0], kernels[1], stored.embed_dim)
    return found
