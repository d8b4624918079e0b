"""Pyramid transformers: stages of encoder layers on ever coarser grids, a head scores the classes."""

from typing import Any

import keras
import numpy as np

from keras_vit.layers import ClassificationHead, OverlappingPatchEmbedding, PyramidEncoder
from keras_vit.layers.normalization import make_norm
from keras_vit.models.pyramid_vit import key_maps
from keras_vit.models.pyramid_vit.adaptations import adaptations
from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.pyramid_vit.layouts import TO_TRANSFORMERS
from keras_vit.models.pyramid_vit.layouts.timm_arguments import settings_of
from keras_vit.models.pyramid_vit.macs import count_macs, count_weights
from keras_vit.models.pyramid_vit.papers import papers
from keras_vit.models.pyramid_vit.roles import variable_roles
from keras_vit.models.vision_model import VisionModel


@keras.saving.register_keras_serializable(package="keras_vit")
class PyramidViT(VisionModel):
    """A pyramid transformer, PVT v2 or MiT, as a functional Keras model that returns logits.

    Its layers are named "patch_embedding", "encoder_0" ... , "norm_0", "patch_embedding_1" and so on through all
    stages, the last norm "norm", and "head". Encoder layers are numbered through the whole model. It has no positions:
    images of any size will do.

    Args:
        config: A `PyramidViTConfig`; None takes the defaults.
        preprocessing, labels, provenance, dtype, remat, name: As of every `VisionModel`.
        fields: Fields of `PyramidViTConfig`, instead of or on top of `config`: `PyramidViT(depths=(2, 2, 2, 2))`.

    Call:
        images: (batch, height, width, channels), normalised by `preprocessing` -> (batch, num_classes) logits.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", 2022, arXiv 2106.13797; Xie et
        al., "SegFormer", 2021, arXiv 2105.15203 (MiT).
    """

    config_class = PyramidViTConfig
    config: PyramidViTConfig

    @staticmethod
    def build_graph(config: PyramidViTConfig, dtype: Any) -> tuple[Any, Any]:
        height, width = config.image_size or (None, None)
        images = keras.Input((height, width, config.in_channels), name="images")

        patches = images
        drop_path_rates = np.linspace(0, config.drop_path_rate, config.depth)
        for index, stage in enumerate(config.stages):
            patches = OverlappingPatchEmbedding(
                stage.patch_size,
                stage.stride,
                config.embed_dims[index],
                norm_epsilon=config.embedding_norm_epsilon,
                dtype=dtype,
                name=stage.embedding,
            )(patches)
            for encoder in stage.encoders:
                patches = PyramidEncoder(
                    config.num_heads[index],
                    config.mlp_dims[index],
                    reduction_size=config.reduction_sizes[index],
                    use_pooling=config.use_pooling,
                    activation=config.activation,
                    use_qkv_bias=config.use_qkv_bias,
                    dropout_rate=config.dropout_rate,
                    attention_dropout_rate=config.attention_dropout_rate,
                    drop_path_rate=float(drop_path_rates[encoder]),
                    norm_epsilon=config.norm_epsilon,
                    reduction_norm_epsilon=config.embedding_norm_epsilon,
                    dtype=dtype,
                    name=f"encoder_{encoder}",
                )(patches)
            patches = make_norm("layer_norm", config.norm_epsilon, name=stage.norm, dtype=dtype)(patches)

        logits = ClassificationHead(
            config.num_classes,
            pooling=config.pooling,
            num_prefix_tokens=0,
            dropout_rate=config.head_dropout_rate,
            dtype=dtype,
            name="head",
        )(patches)
        return images, logits

    @staticmethod
    def pyramid_layers(config: PyramidViTConfig) -> dict[int, str]:
        return {stage.total_stride: stage.norm for stage in config.stages}

    canonical_entries = staticmethod(key_maps.canonical)
    variable_roles = staticmethod(variable_roles)
    adaptations = staticmethod(adaptations)
    to_transformers = TO_TRANSFORMERS
    timm_settings = staticmethod(settings_of)
    count_macs = staticmethod(count_macs)
    count_weights = staticmethod(count_weights)
    papers = staticmethod(papers)
