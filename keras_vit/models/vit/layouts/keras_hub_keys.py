"""The names of ViT and DeiT weights in KerasHub's .weights.h5 files: each weight's place in a Keras model."""

from typing import NamedTuple

import numpy as np

from keras_vit.checkpoints import Entry, Rows, Transform, identity, position_grid, row_vector
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.head_axes import from_heads, to_heads


class Backbone(NamedTuple):
    """What differs between the files of KerasHub's ViTBackbone and DeiTBackbone.

    Args:
        embedding: Layer of the patches, positions and prefix tokens.
        encoder: Layer of all encoder layers.
        encoder_layer: What the names of one encoder layer start with, below `encoder`.
        expand: First dense layer of the feed-forward part, below one encoder layer.
        contract: Second one.
        mlp_dim: Setting for the width between them.
        is_distilled: Whether a second token follows the class token. The classifier reads the class token alone, so
            the second is a register for us.
    """

    embedding: str
    encoder: str
    encoder_layer: str
    expand: str
    contract: str
    mlp_dim: str
    is_distilled: bool


BACKBONES = {
    "keras_hub>ViTBackbone": Backbone(
        embedding="layers/vi_t_patching_and_embedding",
        encoder="layers/vi_t_encoder",
        encoder_layer="encoder_layers/vi_t_encoder_block",
        expand="mlp/dense_1",
        contract="mlp/dense_2",
        mlp_dim="mlp_dim",
        is_distilled=False,
    ),
    "keras_hub>DeiTBackbone": Backbone(
        embedding="layers/dei_t_embeddings",
        encoder="layers/dei_t_encoder",
        encoder_layer="encoder_layers/dei_t_encoder_block",
        expand="mlp/dense",
        contract="output_layer/dense",
        mlp_dim="intermediate_dim",
        is_distilled=True,
    ),
}


def entries_of(config: ViTConfig, backbone: Backbone) -> list[Entry]:
    """Returns the name of every variable of a ViT, as if the model at KerasHub had every bias that ours has.

    Source: keras_hub 0.32, `models/vit/vit_layers.py` and `models/deit/deit_layers.py`; the rules of names are those
        of `keras.Model.save_weights`.
    """
    entries = [
        *_dense("patch_embedding", f"{backbone.embedding}/patch_embedding"),
        *(_distilled_tokens if backbone.is_distilled else _tokens)(config, backbone.embedding),
    ]
    for index in range(config.depth):
        suffix = f"_{index}" if index else ""  # Keras numbers layers of one class from the second on
        theirs = f"{backbone.encoder}/{backbone.encoder_layer}{suffix}"
        entries += _encoder_layer(config, backbone, f"encoder_{index}", theirs)
    entries += _norm("norm", f"{backbone.encoder}/layer_norm")
    dense = ["head/pre_logits"] if config.pre_logits_dim else []
    dense += ["head/logits"] if config.num_classes else []
    for ours, theirs in zip(dense, ("layers/dense", "layers/dense_1"), strict=False):
        entries += _dense(ours, theirs)
    return entries


def _tokens(config: ViTConfig, theirs: str) -> list[Entry]:
    positions = f"{theirs}/position_embedding/vars/0"
    entries = [Entry("positional_encoding/table", positions, _embedding_rows(config.num_prefix_tokens))]
    if config.use_class_token:
        entries.append(Entry("prefix_tokens/class_token", f"{theirs}/vars/0", row_vector, Rows(positions, 0, 1)))
    return entries


def _distilled_tokens(config: ViTConfig, theirs: str) -> list[Entry]:
    positions = f"{theirs}/vars/2"
    return [
        Entry("positional_encoding/table", positions, position_grid(config.num_prefix_tokens)),
        Entry("prefix_tokens/class_token", f"{theirs}/vars/0", row_vector, Rows(positions, 0, 1)),
        Entry("prefix_tokens/register_tokens", f"{theirs}/vars/1", row_vector, Rows(positions, 1, 2)),
    ]


def _encoder_layer(config: ViTConfig, backbone: Backbone, ours: str, theirs: str) -> list[Entry]:
    projections = [f"{theirs}/mha/{part}_dense" for part in ("query", "key", "value")]
    entries = _norm(f"{ours}/attention_norm", f"{theirs}/layer_norm_1")
    for place, kind in enumerate(["kernel", "bias"] if config.use_qkv_bias else ["kernel"]):
        names = tuple(f"{projection}/vars/{place}" for projection in projections)
        entries.append(Entry(f"{ours}/attention/qkv/{kind}", names, to_heads(config.num_heads)))
    use_bias = config.use_projection_bias
    return [
        *entries,
        *_dense(f"{ours}/attention/projection", f"{theirs}/mha/output_dense", from_heads(config.num_heads), use_bias),
        *_norm(f"{ours}/mlp_norm", f"{theirs}/layer_norm_2"),
        *_dense(f"{ours}/mlp/expand", f"{theirs}/{backbone.expand}", use_bias=use_bias),
        *_dense(f"{ours}/mlp/contract", f"{theirs}/{backbone.contract}", use_bias=use_bias),
    ]


def _norm(ours: str, theirs: str) -> list[Entry]:
    return [Entry(f"{ours}/gamma", f"{theirs}/vars/0"), Entry(f"{ours}/beta", f"{theirs}/vars/1")]


def _dense(ours: str, theirs: str, kernel: Transform = identity, use_bias: bool = True) -> list[Entry]:
    entries = [Entry(f"{ours}/kernel", f"{theirs}/vars/0", kernel)]
    return [*entries, Entry(f"{ours}/bias", f"{theirs}/vars/1")] if use_bias else entries


def _embedding_rows(num_prefix_rows: int) -> Transform:
    """Tables of positions: ours (rows, columns, embed_dim), an Embedding's (prefix + rows * columns, embed_dim)."""
    return Transform(
        "embedding_rows",
        file_shape=lambda shape: (num_prefix_rows + shape[0] * shape[1], shape[2]),
        read=lambda array, shape: array[num_prefix_rows:].reshape(shape),
        write=lambda array: np.pad(array.reshape(-1, array.shape[-1]), ((num_prefix_rows, 0), (0, 0))),
    )
