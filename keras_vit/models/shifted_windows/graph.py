"""What Swin and SwinV2 are built of: patches, and stages of layers with shifted windows between mergings."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_vit.layers import ClassificationHead, PatchEmbedding, PatchMerging, SwinEncoder
from keras_vit.layers.normalization import make_norm
from keras_vit.models.shifted_windows.stages import NORM_EPSILON


def build_stages(
    config: Any,
    dtype: Any,
    *,
    order: str = "pre_norm",
    similarity: str = "dot",
    pretrained_window_sizes: Sequence[int] | None = None,
) -> tuple[Any, Any]:
    """Returns the images and logits of a graph.

    Args:
        config: Of either model.
        dtype: Policy of all layers.
        order: Of the encoder layers and of the mergings, as `SwinEncoder` and `PatchMerging` have it.
        similarity: Of queries and keys, as `SwinEncoder` has it.
        pretrained_window_sizes: For each stage, as `SwinEncoder` has it; None for "dot".
    """
    height, width = config.image_size or (None, None)
    images = keras.Input((height, width, config.in_channels), name="images")

    patches = PatchEmbedding(config.patch_size, config.embed_dim, dtype=dtype, name="patch_embedding")(images)
    patches = make_norm("layer_norm", NORM_EPSILON, name="patch_norm", dtype=dtype)(patches)
    if config.dropout_rate:
        patches = keras.layers.Dropout(config.dropout_rate, dtype=dtype, name="dropout")(patches)

    index = 0
    drop_path_rates = np.linspace(0, config.drop_path_rate, config.depth)
    for stage, depth in enumerate(config.depths):
        if stage:
            patches = PatchMerging(order=order, dtype=dtype, name=f"patch_merging_{stage}")(patches)
        for place in range(depth):
            patches = SwinEncoder(
                config.num_heads[stage],
                config.mlp_dims[stage],
                config.window_sizes[stage],
                shift_size=config.shift_sizes[stage] if place % 2 else (0, 0),
                order=order,
                similarity=similarity,
                pretrained_window_size=pretrained_window_sizes[stage] if pretrained_window_sizes else 0,
                use_qkv_bias=config.use_qkv_bias,
                dropout_rate=config.dropout_rate,
                attention_dropout_rate=config.attention_dropout_rate,
                drop_path_rate=float(drop_path_rates[index]),
                dtype=dtype,
                name=f"encoder_{index}",
            )(patches)
            index += 1

    patches = make_norm("layer_norm", NORM_EPSILON, name="norm", dtype=dtype)(patches)
    logits = ClassificationHead(
        config.num_classes,
        pooling=config.pooling,
        num_prefix_tokens=0,
        dropout_rate=config.head_dropout_rate,
        dtype=dtype,
        name="head",
    )(patches)
    return images, logits
