"""Adaptations: what becomes of stored BEiT weights when the model has another image size, patch size or channels."""

from keras_vit.checkpoints import Adaptation
from keras_vit.models.adapting import kernel_adaptation, position_adaptation, relative_position_adaptation
from keras_vit.models.beit.config import BEiTConfig


def adaptations(stored: BEiTConfig, wanted: BEiTConfig) -> dict[str, Adaptation]:
    """Returns how the weights of one config become those of another, for each variable whose shape changes."""
    found = {}
    if stored.grid_size != wanted.grid_size:
        if wanted.positional_encoding != "none":
            found["positional_encoding/table"] = position_adaptation(
                stored.grid_size, wanted.grid_size, stored.embed_dim
            )
        if wanted.use_position_bias:
            biases = relative_position_adaptation(
                stored.grid_size, wanted.grid_size, stored.num_heads, use_class_token=True
            )
            found |= {f"encoder_{index}/attention/position_bias/table": biases for index in range(wanted.depth)}
    kernels = [(config.patch_size, config.in_channels) for config in (stored, wanted)]
    if kernels[0] != kernels[1]:
        found["patch_embedding/kernel"] = kernel_adaptation(kernels[0], kernels[1], stored.embed_dim)
    return found
