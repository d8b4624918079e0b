"""EVA and its relatives: a Vision Transformer whose attention turns queries and keys by the positions of patches."""

from typing import Any

import keras
import numpy as np

from keras_vit.layers import (
    ClassificationHead,
    LearnedRotaryPositions,
    PatchEmbedding,
    PositionalEncoding,
    PrefixTokens,
    RotaryEncoder,
    RotaryPositions,
)
from keras_vit.layers.normalization import make_norm
from keras_vit.models.eva import key_maps
from keras_vit.models.eva.adaptations import adaptations
from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.eva.layouts import TO_TRANSFORMERS
from keras_vit.models.eva.layouts.timm_arguments import settings_of
from keras_vit.models.eva.macs import count_macs, count_weights
from keras_vit.models.eva.papers import papers
from keras_vit.models.eva.roles import variable_roles
from keras_vit.models.vision_model import VisionModel


@keras.saving.register_keras_serializable(package="keras_vit")
class EVA(VisionModel):
    """A Vision Transformer with rotary positions, as a functional Keras model that returns logits.

    It is EVA and EVA-02, DINOv3, Perception Encoders, RoPE-ViT, LingBot-Vision and Sapiens2, by their settings. Its
    layers are named "patch_embedding", "positional_encoding", "rotary_positions", "prefix_tokens", "encoder_0" ... ,
    "norm" and "head".

    Args:
        config: An `EVAConfig`; None takes the defaults.
        preprocessing, labels, provenance, dtype, remat, name: As of every `VisionModel`.
        fields: Fields of `EVAConfig`, instead of or on top of `config`: `EVA(image_size=448, depth=24)`.

    Call:
        images: (batch, height, width, channels), normalised by `preprocessing` -> (batch, num_classes) logits.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Fang et al., "EVA-02", 2023, arXiv 2303.11331; Siméoni et al., "DINOv3", 2025, arXiv 2508.10104; Bolya et
        al., "Perception Encoder", 2025, arXiv 2504.13181; Heo et al., 2024, arXiv 2403.13298 (RoPE-ViT).
    """

    config_class = EVAConfig
    config: EVAConfig

    @staticmethod
    def build_graph(config: EVAConfig, dtype: Any) -> tuple[Any, Any]:
        height, width = config.image_size or (None, None)
        images = keras.Input((height, width, config.in_channels), name="images")

        patches = PatchEmbedding(
            config.patch_size,
            config.embed_dim,
            use_bias=not config.use_embedding_norm,
            dtype=dtype,
            name="patch_embedding",
        )(images)
        rotations = _rotations(config, patches, dtype)
        tokens = PositionalEncoding(
            config.positional_encoding, config.grid_size, dtype=dtype, name="positional_encoding"
        )(patches)
        if config.num_prefix_tokens:
            tokens = PrefixTokens(
                use_class_token=config.use_class_token,
                num_register_tokens=config.num_register_tokens,
                dtype=dtype,
                name="prefix_tokens",
            )(tokens)
        if config.dropout_rate:
            tokens = keras.layers.Dropout(config.dropout_rate, dtype=dtype, name="dropout")(tokens)
        if config.use_embedding_norm:
            tokens = make_norm(config.norm, config.norm_epsilon, name="embedding_norm", dtype=dtype)(tokens)

        for index, drop_path_rate in enumerate(np.linspace(0, config.drop_path_rate, config.depth)):
            tokens = RotaryEncoder(
                config.num_heads,
                config.mlp_dim,
                num_key_value_heads=config.num_key_value_heads[index] if config.num_key_value_heads else None,
                pairing="halves" if config.rotary == "centred" else "neighbours",
                order=config.order,
                mlp=config.mlp,
                use_qkv_bias=config.use_qkv_bias,
                use_key_bias=config.use_key_bias,
                use_qk_norm=config.use_qk_norm,
                use_attention_sub_norm=config.use_attention_sub_norm,
                use_mlp_sub_norm=config.use_mlp_sub_norm,
                layer_scale_init=config.layer_scale_init,
                use_mlp_scale=config.use_mlp_scale,
                dropout_rate=config.dropout_rate,
                attention_dropout_rate=config.attention_dropout_rate,
                drop_path_rate=float(drop_path_rate),
                norm=config.norm,
                norm_epsilon=config.norm_epsilon,
                dtype=dtype,
                name=f"encoder_{index}",
            )(tokens, *rotations[index])

        if config.use_final_norm and not config.use_head_norm:
            tokens = make_norm(config.norm, config.norm_epsilon, name="norm", dtype=dtype)(tokens)
        logits = ClassificationHead(
            config.num_classes,
            pooling=config.pooling,
            # Attention pooling reads class token and registers too.
            num_prefix_tokens=0 if config.pooling == "attention" else config.num_prefix_tokens,
            use_norm=config.use_head_norm,
            dropout_rate=config.head_dropout_rate,
            norm=config.norm,
            norm_epsilon=config.norm_epsilon,
            attention_pooling=_attention_pooling(config),
            dtype=dtype,
            name="head",
        )(tokens)
        return images, logits

    canonical_entries = staticmethod(key_maps.canonical)
    variable_roles = staticmethod(variable_roles)
    adaptations = staticmethod(adaptations)
    to_transformers = TO_TRANSFORMERS
    timm_settings = staticmethod(settings_of)
    count_macs = staticmethod(count_macs)
    count_weights = staticmethod(count_weights)
    papers = staticmethod(papers)

    @staticmethod
    def pyramid_layers(config: EVAConfig) -> dict[int, str]:
        height, width = config.patch_size
        has_norm = config.use_final_norm and not config.use_head_norm
        return {height: "norm" if has_norm else f"encoder_{config.depth - 1}"} if height == width else {}


def _rotations(config: EVAConfig, patches: Any, dtype: Any) -> list[tuple[Any, ...]]:
    """Returns what each encoder layer takes beside its tokens: nothing where queries and keys are not turned."""
    if config.rotary == "none":
        return [()] * config.depth
    shared: dict[str, Any] = {
        "temperature": config.rotary_temperature,
        "is_column_first": config.rotary_column_first,
        "num_prefix_tokens": config.num_prefix_tokens,
        "dtype": dtype,
        "name": "rotary_positions",
    }
    if config.rotary == "learned":
        layer = LearnedRotaryPositions(config.depth, config.num_heads, config.head_dim, **shared)
        return [(each,) for each in layer(patches)]
    rotations = RotaryPositions(
        config.head_dim,
        coordinates=config.rotary,
        reference_grid=config.rotary_grid if config.rotary == "patches" else None,
        offset=config.rotary_offset,
        **shared,
    )(patches)
    return [(rotations,)] * config.depth


def _attention_pooling(config: EVAConfig) -> dict[str, Any] | None:
    if config.pooling != "attention":
        return None
    return {
        "num_heads": config.pooling_num_heads or config.num_heads,
        "mlp_dim": config.pooling_mlp_dim,
        "norm": config.norm,
        "norm_epsilon": config.norm_epsilon,
    }
