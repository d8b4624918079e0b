"""The Swin Transformer: attention inside shifted windows, on grids that get coarser from stage to stage."""

from typing import Any

import keras

from keras_vit.models.shifted_windows.costs import count_macs
from keras_vit.models.shifted_windows.graph import build_stages
from keras_vit.models.shifted_windows.roles import variable_roles
from keras_vit.models.shifted_windows.stages import pyramid_layers
from keras_vit.models.swin import key_maps
from keras_vit.models.swin.adaptations import adaptations
from keras_vit.models.swin.config import SwinConfig
from keras_vit.models.swin.layouts import TO_TRANSFORMERS
from keras_vit.models.swin.layouts.timm_arguments import settings_of
from keras_vit.models.swin.macs import count_weights
from keras_vit.models.swin.papers import papers
from keras_vit.models.vision_model import VisionModel


@keras.saving.register_keras_serializable(package="keras_vit")
class Swin(VisionModel):
    """A Swin Transformer as a functional Keras model that returns logits.

    Its layers are named "patch_embedding", "patch_norm", "encoder_0" ..., with "patch_merging_1" in front of the second
    stage and so on, "norm" and "head"; between them, patches are grids (batch, rows, columns, embed_dim).

    Args:
        config: A `SwinConfig`; None takes the defaults.
        preprocessing, labels, provenance, dtype, remat, name: As of every `VisionModel`.
        fields: Fields of `SwinConfig`, instead of or on top of `config`: `Swin(image_size=64, depths=(2, 2))`.

    Call:
        images: (batch, height, width, channels), normalised by `preprocessing` -> (batch, num_classes) logits.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021,
        arXiv 2103.14030.
    """

    config_class = SwinConfig
    config: SwinConfig

    @staticmethod
    def build_graph(config: SwinConfig, dtype: Any) -> tuple[Any, Any]:
        return build_stages(config, dtype)

    canonical_entries = staticmethod(key_maps.canonical)
    variable_roles = staticmethod(variable_roles)
    adaptations = staticmethod(adaptations)
    pyramid_layers = staticmethod(pyramid_layers)
    to_transformers = TO_TRANSFORMERS
    timm_settings = staticmethod(settings_of)
    count_macs = staticmethod(count_macs)
    count_weights = staticmethod(count_weights)
    papers = staticmethod(papers)
