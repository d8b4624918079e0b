"""Adaptations: what becomes of stored Swin weights when the model has other windows, patches or channels."""

from keras_vit.checkpoints import Adaptation
from keras_vit.models.adapting import relative_position_adaptation
from keras_vit.models.shifted_windows.stages import kernel_adaptations
from keras_vit.models.swin.config import SwinConfig


def adaptations(stored: SwinConfig, wanted: SwinConfig) -> dict[str, Adaptation]:
    """Returns how the weights of one config become those of another, for each variable whose shape changes."""
    found = kernel_adaptations(stored, wanted)
    for index, stage in enumerate(stored.stages):
        before, after = stored.window_sizes[stage], wanted.window_sizes[stage]
        if before != after:
            path = f"encoder_{index}/attention/position_bias/table"
            found[path] = relative_position_adaptation(before, after, stored.num_heads[stage])
    return found
