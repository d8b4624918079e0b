"""The Swin Transformer V2: norms behind the branches, attention by angles, biases from a small network."""

from typing import Any

import keras

from keras_vit.models.shifted_windows.costs import count_macs
from keras_vit.models.shifted_windows.graph import build_stages
from keras_vit.models.shifted_windows.roles import variable_roles
from keras_vit.models.shifted_windows.stages import kernel_adaptations, pyramid_layers
from keras_vit.models.swin_v2 import key_maps
from keras_vit.models.swin_v2.config import SwinV2Config
from keras_vit.models.swin_v2.layouts import TO_TRANSFORMERS
from keras_vit.models.swin_v2.layouts.timm_arguments import settings_of
from keras_vit.models.swin_v2.macs import count_weights
from keras_vit.models.swin_v2.papers import papers
from keras_vit.models.vision_model import VisionModel


@keras.saving.register_keras_serializable(package="keras_vit")
class SwinV2(VisionModel):
    """A Swin Transformer V2 as a functional Keras model that returns logits.

    Its layers are named "patch_embedding", "patch_norm", "encoder_0" ..., with "patch_merging_1" in front of the second
    stage and so on, "norm" and "head"; between them, patches are grids (batch, rows, columns, embed_dim).

    Args:
        config: A `SwinV2Config`; None takes the defaults.
        preprocessing, labels, provenance, dtype, remat, name: As of every `VisionModel`.
        fields: Fields of `SwinV2Config`, instead of or on top of `config`: `SwinV2(image_size=64, depths=(2, 2))`.

    Call:
        images: (batch, height, width, channels), normalised by `preprocessing` -> (batch, num_classes) logits.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Liu et al., "Swin Transformer V2: Scaling Up Capacity and Resolution", 2022, arXiv 2111.09883.
    """

    config_class = SwinV2Config
    config: SwinV2Config

    @staticmethod
    def build_graph(config: SwinV2Config, dtype: Any) -> tuple[Any, Any]:
        return build_stages(
            config,
            dtype,
            order="post_norm",
            similarity="cosine",
            pretrained_window_sizes=config.pretrained_window_sizes,
        )

    canonical_entries = staticmethod(key_maps.canonical)
    variable_roles = staticmethod(variable_roles)
    adaptations = staticmethod(kernel_adaptations)
    pyramid_layers = staticmethod(pyramid_layers)
    to_transformers = TO_TRANSFORMERS
    timm_settings = staticmethod(settings_of)
    count_macs = staticmethod(count_macs)
    count_weights = staticmethod(count_weights)
    papers = staticmethod(papers)
