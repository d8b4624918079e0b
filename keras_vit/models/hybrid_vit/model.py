"""The hybrid Vision Transformer: convolutions make a feature map, and a ViT reads it in place of pixels."""

from typing import Any

import keras

from keras_vit.layers import ConvStem, ResNetStem
from keras_vit.models.hybrid_vit import key_maps
from keras_vit.models.hybrid_vit.adaptations import adaptations
from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.hybrid_vit.layouts.timm_arguments import settings_of
from keras_vit.models.hybrid_vit.macs import count_macs, count_weights
from keras_vit.models.hybrid_vit.papers import papers
from keras_vit.models.hybrid_vit.roles import variable_roles
from keras_vit.models.vision_model import VisionModel
from keras_vit.models.vit import ViT, stems


@keras.saving.register_keras_serializable(package="keras_vit")
class HybridViT(VisionModel):
    """A Vision Transformer behind a ResNet or other convolutions, as a functional Keras model that returns logits.

    Its layers are "stem" and then those of `ViT`: "patch_embedding", "positional_encoding", "prefix_tokens",
    "encoder_0" ... , "norm" and "head". For a stem of one's own, see `ViT(stem=...)`.

    Args:
        config: A `HybridViTConfig`; None takes the defaults.
        preprocessing: How pixels become model input; None scales them to -1..1 at the model's image size.
        labels: Names of the classes, in the order of the logits.
        provenance: Licence, source, training and evaluation of the weights, as plain data; None means weights that
            start here, under MIT like the package.
        dtype: Name of a dtype policy, such as "mixed_bfloat16"; None takes Keras' global one.
        remat: Whether training computes what is inside the encoder layers a second time instead of keeping it in memory
            (gradient checkpointing); the stem is kept. Saved in `.keras` files, but not with presets.
        name: Name of the model.
        fields: Fields of `HybridViTConfig`, instead of or on top of `config`.

    Call:
        images: (batch, height, width, channels), normalised by `preprocessing` -> (batch, num_classes) logits.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv 2010.11929; Steiner et al., "How to train
        your ViT?", 2022, arXiv 2106.10270; Vasu et al., "MobileCLIP", 2024, arXiv 2311.17049 (stem="conv").
    """

    config_class = HybridViTConfig
    config: HybridViTConfig

    @staticmethod
    def build_graph(config: HybridViTConfig, dtype: Any) -> tuple[Any, Any]:
        if config.stem == "resnet":
            stem = ResNetStem(config.stem_depths, config.stem_dim, dtype=dtype, name=stems.NAME)
        else:
            stem = ConvStem(config.stem_dim, dtype=dtype, name=stems.NAME)
        return ViT.build_graph(config, dtype, stem)

    canonical_entries = staticmethod(key_maps.canonical)
    variable_roles = staticmethod(variable_roles)
    adaptations = staticmethod(adaptations)
    timm_settings = staticmethod(settings_of)
    count_macs = staticmethod(count_macs)
    count_weights = staticmethod(count_weights)
    papers = staticmethod(papers)

    @staticmethod
    def pyramid_layers(config: HybridViTConfig) -> dict[int, str]:
        return {config.stem_strides: stems.NAME, **ViT.pyramid_layers(config)}
