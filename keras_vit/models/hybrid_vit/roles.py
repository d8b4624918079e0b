"""The roles of a hybrid ViT's variables, as a table of its layers."""

from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.roles import Role
from keras_vit.models.vit.roles import variable_roles as vit_roles

_BOTTLENECK = {"conv_1", "norm_1", "conv_2", "norm_2", "conv_3", "norm_3", "shortcut_conv", "shortcut_norm"}


def variable_roles(config: HybridViTConfig) -> dict[str, Role]:
    """Returns the role of the variables of every layer, by the layer's path: all of the stem is patch embedding."""
    if config.stem == "resnet":
        blocks = [f"stage_{stage}_{index}" for stage, depth in enumerate(config.stem_depths) for index in range(depth)]
        layers = ["root_conv", "root_norm", *(f"{block}/{part}" for block in blocks for part in sorted(_BOTTLENECK))]
    else:
        layers = ["conv_0", "norm_0", "conv_1", "norm_1"]
    stem = {f"stem/{layer}": Role("norm" if "norm" in layer else "patch", 0) for layer in layers}
    return {**stem, **vit_roles(config.on_map)}
