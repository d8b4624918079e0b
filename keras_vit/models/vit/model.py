"""The Vision Transformer: patches become tokens, encoder layers mix them, a head scores the classes."""

from typing import Any, Self

import keras
import numpy as np

from keras_vit.layers import (
    ClassificationHead,
    PatchDropout,
    PatchEmbedding,
    PositionalEncoding,
    PrefixTokens,
    TransformerEncoder,
)
from keras_vit.layers.normalization import make_norm
from keras_vit.models.vision_model import VisionModel
from keras_vit.models.vit import key_maps, stems
from keras_vit.models.vit.adaptations import adaptations
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts import TO_TRANSFORMERS
from keras_vit.models.vit.layouts.timm_arguments import settings_of
from keras_vit.models.vit.macs import count_macs, count_weights
from keras_vit.models.vit.papers import papers
from keras_vit.models.vit.roles import variable_roles


@keras.saving.register_keras_serializable(package="keras_vit")
class ViT(VisionModel):
    """A Vision Transformer as a functional Keras model that returns logits.

    Its layers are named "patch_embedding", "positional_encoding", "prefix_tokens", "encoder_0" ... , "norm" and
    "head".

    Args:
        config: A `ViTConfig`; None takes the defaults.
        preprocessing: How pixels become model input; None scales them to -1..1 at the model's image size.
        labels: Names of the classes, in the order of the logits.
        provenance: Licence, source, training and evaluation of the weights, as plain data; None means weights that
            start here, under MIT like the package.
        dtype: Name of a dtype policy, such as "mixed_bfloat16"; None takes Keras' global one.
        remat: Whether training computes what is inside the encoder layers a second time instead of keeping it in memory
            (gradient checkpointing). Saved in `.keras` files, but not with presets.
        name: Name of the model.
        stem: A functional `keras.Model` whose feature map the ViT reads in place of pixels, such as
            `keras.applications.ResNet50V2(include_top=False)`; it is copied, weights and all, into the layer "stem".
            Patches are then whole places of its map: `patch_size`, in pixels as ever, is a multiple of the stem's
            strides, and equal to them where it is not given. `preprocessing` makes what the stem expects; where that is
            more than a mean and a standard deviation, put it into the stem as layers. Such a model is saved as `.keras`
            file only.
        fields: Fields of `ViTConfig`, instead of or on top of `config`: `ViT(image_size=32, patch_size=4)`.

    Call:
        images: (batch, height, width, channels), normalised by `preprocessing` -> (batch, num_classes) logits.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.
        TypeError: The stem is no functional model.
        ValueError: The stem does not take the model's images, or its map does not make whole patches.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv 2010.11929.
    """

    config_class = ViTConfig
    config: ViTConfig

    def __init__(self, config: ViTConfig | None = None, *, stem: keras.Model | None = None, **arguments: Any) -> None:
        if stem is None:
            super().__init__(config, **arguments)
            return
        stem = stems.copy_of(stem)
        if config is None and "patch_size" not in arguments:
            arguments["patch_size"] = stems.usual_patch_size(stem, arguments)
        super().__init__(config, parts={"stem": stem}, **arguments)

    @staticmethod
    def build_graph(config: ViTConfig, dtype: Any, stem: Any = None) -> tuple[Any, Any]:
        height, width = config.image_size or (None, None)
        images = features = keras.Input((height, width, config.in_channels), name="images")
        if stem is not None:
            strides = stems.strides_of(stem, config)
            features = stem(images)
            config = stems.behind(config, strides, features.shape[-1])

        patches = PatchEmbedding(
            config.patch_size,
            config.embed_dim,
            use_bias=not config.use_embedding_norm,
            pad=config.pad,
            drop_remainder=config.drop_remainder,
            dtype=dtype,
            name="patch_embedding",
        )(features)
        if config.use_patch_norm:
            patches = make_norm(config.norm, config.norm_epsilon, name="patch_norm", dtype=dtype)(patches)
        tokens = PositionalEncoding(
            config.positional_encoding, config.grid_size, dtype=dtype, name="positional_encoding"
        )(patches)
        if config.patch_dropout_rate:
            tokens = PatchDropout(config.patch_dropout_rate, dtype=dtype, name="patch_dropout")(tokens)
        if config.num_prefix_tokens:
            tokens = PrefixTokens(
                use_class_token=config.use_class_token,
                use_distillation_token=config.use_distillation_token,
                num_register_tokens=config.num_register_tokens,
                dtype=dtype,
                name="prefix_tokens",
            )(tokens)
        if config.dropout_rate:
            tokens = keras.layers.Dropout(config.dropout_rate, dtype=dtype, name="dropout")(tokens)
        if config.use_embedding_norm:
            tokens = make_norm(config.norm, config.norm_epsilon, name="embedding_norm", dtype=dtype)(tokens)

        for index, drop_path_rate in enumerate(np.linspace(0, config.drop_path_rate, config.depth)):
            tokens = TransformerEncoder(
                config.num_heads,
                config.mlp_dim,
                order=config.order,
                mlp=config.mlp,
                activation=config.activation,
                use_qkv_bias=config.use_qkv_bias,
                use_projection_bias=config.use_projection_bias,
                use_qk_norm=config.use_qk_norm,
                use_sub_norm=config.use_sub_norm,
                windows=_windows(config, index),
                layer_scale_init=config.layer_scale_init,
                dropout_rate=config.dropout_rate,
                attention_dropout_rate=config.attention_dropout_rate,
                drop_path_rate=float(drop_path_rate),
                norm=config.norm,
                norm_epsilon=config.norm_epsilon,
                dtype=dtype,
                name=f"encoder_{index}",
            )(tokens)

        if config.use_final_norm and not config.use_head_norm:
            tokens = make_norm(config.norm, config.norm_epsilon, name="norm", dtype=dtype)(tokens)
        logits = ClassificationHead(
            config.num_classes,
            pooling=config.pooling,
            num_prefix_tokens=0 if config.pool_prefix_tokens else config.num_prefix_tokens,
            use_distillation=config.use_distillation_token,
            use_norm=config.use_head_norm,
            pre_logits_dim=config.pre_logits_dim,
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

    def get_config(self) -> dict[str, Any]:
        stem = next((layer for layer in self.layers if layer.name == stems.NAME), None)
        return super().get_config() | ({} if stem is None else {"stem": keras.saving.serialize_keras_object(stem)})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        if "stem" in config:
            config = {**config, "stem": keras.saving.deserialize_keras_object(config["stem"], custom_objects)}
        return super().from_config(config, custom_objects)

    @staticmethod
    def pyramid_layers(config: ViTConfig) -> dict[int, str]:
        height, width = config.patch_size
        has_norm = config.use_final_norm and not config.use_head_norm
        return {height: "norm" if has_norm else f"encoder_{config.depth - 1}"} if height == width else {}


def _windows(config: ViTConfig, index: int) -> dict[str, Any] | None:
    if config.window_size is None or index not in config.windowed_layers:
        return None
    return {
        "window_size": config.window_size,
        "grid_size": config.image_grid,
        "num_prefix_tokens": config.num_prefix_tokens,
    }


def _attention_pooling(config: ViTConfig) -> dict[str, Any] | None:
    if config.pooling != "attention":
        return None
    return {
        "num_heads": config.num_heads,
        "mlp_dim": config.mlp_dim,
        "activation": config.activation,
        "norm": config.norm,
        "norm_epsilon": config.norm_epsilon,
    }
