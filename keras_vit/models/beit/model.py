"""BEiT: patches become tokens, encoder layers with biases for offsets mix them, a head scores the classes."""

from typing import Any

import keras
import numpy as np

from keras_vit.layers import ClassificationHead, PatchEmbedding, PositionalEncoding, PrefixTokens, TransformerEncoder
from keras_vit.layers.normalization import LayerNormalization
from keras_vit.models.beit import key_maps
from keras_vit.models.beit.adaptations import adaptations
from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.beit.layouts import TO_TRANSFORMERS
from keras_vit.models.beit.layouts.timm_arguments import settings_of
from keras_vit.models.beit.macs import count_macs, count_weights
from keras_vit.models.beit.papers import papers
from keras_vit.models.beit.roles import variable_roles
from keras_vit.models.vision_model import VisionModel


@keras.saving.register_keras_serializable(package="keras_vit")
class BEiT(VisionModel):
    """A BEiT, BEiT v2, Data2Vec or DiT encoder as a functional Keras model that returns logits.

    It is a Vision Transformer whose attention has a learned bias for each head and each offset between two patches, in
    place of positions that are added to tokens, and whose keys have no bias. Its layers are named "patch_embedding",
    "positional_encoding", "prefix_tokens", "encoder_0" ... , "norm" (where it is not in the head) and "head".

    Args:
        config: A `BEiTConfig`; None takes the defaults.
        preprocessing, labels, provenance, dtype, remat, name: As of every `VisionModel`.
        fields: Fields of `BEiTConfig`, instead of or on top of `config`: `BEiT(image_size=384, depth=24)`.

    Call:
        images: (batch, height, width, channels), normalised by `preprocessing` -> (batch, num_classes) logits.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022, arXiv 2106.08254.
    """

    config_class = BEiTConfig
    config: BEiTConfig

    @staticmethod
    def build_graph(config: BEiTConfig, dtype: Any) -> tuple[Any, Any]:
        images = keras.Input((*config.image_size, config.in_channels), name="images")

        patches = PatchEmbedding(config.patch_size, config.embed_dim, dtype=dtype, name="patch_embedding")(images)
        tokens = PositionalEncoding(
            config.positional_encoding, config.grid_size, dtype=dtype, name="positional_encoding"
        )(patches)
        tokens = PrefixTokens(dtype=dtype, name="prefix_tokens")(tokens)
        if config.dropout_rate:
            tokens = keras.layers.Dropout(config.dropout_rate, dtype=dtype, name="dropout")(tokens)

        for index, drop_path_rate in enumerate(np.linspace(0, config.drop_path_rate, config.depth)):
            tokens = TransformerEncoder(
                config.num_heads,
                config.mlp_dim,
                use_key_bias=False,
                bias_grid=config.grid_size if config.use_position_bias else None,
                layer_scale_init=config.layer_scale_init,
                dropout_rate=config.dropout_rate,
                attention_dropout_rate=config.attention_dropout_rate,
                drop_path_rate=float(drop_path_rate),
                norm_epsilon=config.norm_epsilon,
                dtype=dtype,
                name=f"encoder_{index}",
            )(tokens)

        if not config.use_head_norm:
            tokens = LayerNormalization(epsilon=config.norm_epsilon, dtype=dtype, name="norm")(tokens)
        logits = ClassificationHead(
            config.num_classes,
            pooling=config.pooling,
            num_prefix_tokens=config.num_prefix_tokens,
            use_norm=config.use_head_norm,
            dropout_rate=config.head_dropout_rate,
            norm_epsilon=config.norm_epsilon,
            dtype=dtype,
            name="head",
        )(tokens)
        return images, logits

    @staticmethod
    def pyramid_layers(config: BEiTConfig) -> dict[int, str]:
        height, width = config.patch_size
        return {height: f"encoder_{config.depth - 1}"} if height == width else {}

    canonical_entries = staticmethod(key_maps.canonical)
    variable_roles = staticmethod(variable_roles)
    adaptations = staticmethod(adaptations)
    to_transformers = TO_TRANSFORMERS
    timm_settings = staticmethod(settings_of)
    count_macs = staticmethod(count_macs)
    count_weights = staticmethod(count_weights)
    papers = staticmethod(papers)
