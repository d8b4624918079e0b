"""The names of ViT weights in transformers' files, as pairs that both reading and writing use."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from keras_vit.checkpoints import (
    Entry,
    Rows,
    Transform,
    identity,
    patch_kernel,
    position_grid,
    row_vector,
    rows_of,
    transpose,
)
from keras_vit.models.entry_groups import dense_entries, norm_entries
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.transformers_models import Model


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """One way in which transformers spells the weights of encoder layers.

    Args:
        layer: Of a layer, with a place for its number.
        norms: Before attention, and before the feed-forward part.
        qkv: Of queries, keys and values.
        projection: Of what attention gathered.
        mlp: Of the first dense layer or of its parts, gate first; and of the second one.
    """

    layer: str
    norms: tuple[str, str]
    qkv: tuple[str, str, str]
    projection: str
    mlp: tuple[str | tuple[str, str], str]


_QKV = ("attention.attention.query", "attention.attention.key", "attention.attention.value")
_NEW_QKV = ("attention.q_proj", "attention.k_proj", "attention.v_proj")
_VIT_NORMS, _DINOV2_NORMS = ("layernorm_before", "layernorm_after"), ("norm1", "norm2")

# First the spelling of files, then the one of models in memory since transformers 5, which can be asked for in files.
_VIT = (
    Spelling(
        layer="encoder.layer.{}",
        norms=_VIT_NORMS,
        qkv=_QKV,
        projection="attention.output.dense",
        mlp=("intermediate.dense", "output.dense"),
    ),
    Spelling(
        layer="layers.{}", norms=_VIT_NORMS, qkv=_NEW_QKV, projection="attention.o_proj", mlp=("mlp.fc1", "mlp.fc2")
    ),
)
_DINOV2 = (
    Spelling(
        layer="encoder.layer.{}",
        norms=_DINOV2_NORMS,
        qkv=_QKV,
        projection="attention.output.dense",
        mlp=("mlp.fc1", "mlp.fc2"),
    ),
    Spelling(
        layer="encoder.layer.{}",
        norms=_DINOV2_NORMS,
        qkv=_NEW_QKV,
        projection="attention.o_proj",
        mlp=("mlp.fc1", "mlp.fc2"),
    ),
)
_GATED_DINOV2 = (
    Spelling(
        layer="encoder.layer.{}",
        norms=_DINOV2_NORMS,
        qkv=_QKV,
        projection="attention.output.dense",
        mlp=("mlp.weights_in", "mlp.weights_out"),
    ),
    Spelling(
        layer="encoder.layer.{}",
        norms=_DINOV2_NORMS,
        qkv=_NEW_QKV,
        projection="attention.o_proj",
        mlp=(("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),
    ),
)
_CLIP = (
    Spelling(
        layer="encoder.layers.{}",
        norms=("layer_norm1", "layer_norm2"),
        qkv=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        projection="self_attn.out_proj",
        mlp=("mlp.fc1", "mlp.fc2"),
    ),
)


def spellings(config: ViTConfig, family: str) -> tuple[Spelling, ...]:
    """Returns the spellings of a family, the usual one of files first."""
    if family == "dinov2":
        return _GATED_DINOV2 if config.mlp == "swiglu" else _DINOV2
    return _CLIP if family in ("clip", "siglip") else _VIT


def find_spelling(config: ViTConfig, family: str, prefix: str, names: Collection[str]) -> tuple[Spelling, str]:
    """Returns how a file spells its layers, and the prefix of them."""
    for spelling in spellings(config, family):
        # ViT-MSN's classifier is written with layers that lack the prefix of everything else.
        for layer_prefix in (prefix, ""):
            if f"{layer_prefix}{spelling.layer.format(0)}.{spelling.qkv[0]}.weight" in names:
                return spelling, layer_prefix
    return spellings(config, family)[0], prefix  # what is missing is told by its usual name


def entries(config: ViTConfig, model: Model, prefix: str, spelling: Spelling, layer_prefix: str) -> list[Entry]:
    """Returns the name of every variable of a ViT in transformers' files.

    Args:
        config: The model's settings.
        model: The class of transformers.
        prefix: Of the names of the base model, such as "vit."; empty where it is not part of another model.
        spelling: Of the encoder's layers.
        layer_prefix: Of their names.

    Source: `modeling_*.py` and `conversion_mapping.py` of transformers 5.23.0.
    """
    is_clip = model.family in ("clip", "siglip")
    found = _clip_embeddings(config, prefix) if is_clip else _vit_embeddings(config, model, prefix)
    for index in range(config.depth):
        found += _layer(config, f"encoder_{index}", f"{layer_prefix}{spelling.layer.format(index)}", spelling)
    if config.use_final_norm:
        found += norm_entries("norm", f"{prefix}post_layernorm" if is_clip else f"{prefix}layernorm")
    if config.pooling == "attention":
        found += _attention_pooling(config, f"{prefix}head")
    return found + _logits(config, model)


def _vit_embeddings(config: ViTConfig, model: Model, prefix: str) -> list[Entry]:
    theirs = f"{prefix}embeddings"
    positions = f"{theirs}.position_embeddings"
    num_rows = 2 if model.family == "deit" else 1
    found = [
        Entry("patch_embedding/kernel", f"{theirs}.patch_embeddings.projection.weight", patch_kernel),
        Entry("patch_embedding/bias", f"{theirs}.patch_embeddings.projection.bias", identity),
        Entry("positional_encoding/table", positions, position_grid(num_rows)),
        Entry("prefix_tokens/class_token", f"{theirs}.cls_token", row_vector, Rows(positions, 0, 1)),
    ]
    if model.family == "deit":
        ours = "distillation_token" if config.use_distillation_token else "register_tokens"
        name = f"{theirs}.distillation_token"
        found.append(Entry(f"prefix_tokens/{ours}", name, row_vector, Rows(positions, 1, 2)))
    elif config.num_register_tokens:
        found.append(Entry("prefix_tokens/register_tokens", f"{theirs}.register_tokens", row_vector))
    return found


def _clip_embeddings(config: ViTConfig, prefix: str) -> list[Entry]:
    theirs = f"{prefix}embeddings"
    positions = f"{theirs}.position_embedding.weight"
    found = [
        Entry("patch_embedding/kernel", f"{theirs}.patch_embedding.weight", patch_kernel),
        Entry("positional_encoding/table", positions, _position_rows(int(config.use_class_token))),
    ]
    if not config.use_class_token:
        return [*found, Entry("patch_embedding/bias", f"{theirs}.patch_embedding.bias", identity)]
    token = Entry("prefix_tokens/class_token", f"{theirs}.class_embedding", _vector, Rows(positions, 0, 1))
    return [*found, token, *norm_entries("embedding_norm", f"{prefix}pre_layrnorm")]  # spelled so


def _layer(config: ViTConfig, ours: str, theirs: str, spelling: Spelling) -> list[Entry]:
    expand, contract = spelling.mlp
    parts = (expand,) if isinstance(expand, str) else expand
    qkv = (f"{theirs}.{name}" for name in spelling.qkv)
    found = [
        *norm_entries(f"{ours}/attention_norm", f"{theirs}.{spelling.norms[0]}"),
        *dense_entries(f"{ours}/attention/qkv", *qkv, use_bias=config.use_qkv_bias),
        *dense_entries(f"{ours}/attention/projection", f"{theirs}.{spelling.projection}"),
        *norm_entries(f"{ours}/mlp_norm", f"{theirs}.{spelling.norms[1]}"),
        *dense_entries(f"{ours}/mlp/expand", *(f"{theirs}.{name}" for name in parts)),
        *dense_entries(f"{ours}/mlp/contract", f"{theirs}.{contract}"),
    ]
    if config.layer_scale_init is not None:
        found.append(Entry(f"{ours}/attention_scale/factors", f"{theirs}.layer_scale1.lambda1", identity))
        found.append(Entry(f"{ours}/mlp_scale/factors", f"{theirs}.layer_scale2.lambda1", identity))
    return found


def _attention_pooling(config: ViTConfig, theirs: str) -> list[Entry]:
    """PyTorch's attention keeps queries, keys and values in one tensor, one below the other."""
    width = config.embed_dim
    found = [Entry("head/pool/latent", f"{theirs}.probe", row_vector)]
    for kind, name, transform in (("kernel", "in_proj_weight", transpose), ("bias", "in_proj_bias", identity)):
        fused = f"{theirs}.attention.{name}"
        found.append(Entry(f"head/pool/query/{kind}", fused, rows_of(transform, 0, width, 3 * width)))
        found.append(Entry(f"head/pool/key_value/{kind}", fused, rows_of(transform, width, 3 * width, 3 * width)))
    return [
        *found,
        *dense_entries("head/pool/projection", f"{theirs}.attention.out_proj"),
        *norm_entries("head/pool/norm", f"{theirs}.layernorm"),
        *dense_entries("head/pool/mlp/expand", f"{theirs}.mlp.fc1"),
        *dense_entries("head/pool/mlp/contract", f"{theirs}.mlp.fc2"),
    ]


def _logits(config: ViTConfig, model: Model) -> list[Entry]:
    if not config.num_classes:
        return []
    if model.head == "projection":
        return dense_entries("head/logits", "visual_projection", use_bias=False)
    if model.head == "teacher":
        distillation = dense_entries("head/distillation_logits", "distillation_classifier")
        return [*dense_entries("head/logits", "cls_classifier"), *distillation]
    return dense_entries("head/logits", "classifier")


# A single token: ours (1, embed_dim), CLIP's (embed_dim,).
_vector = Transform(
    "vector",
    file_shape=lambda shape: shape[1:],
    read=lambda array, shape: array.reshape(shape),
    write=lambda array: array[0],
)


def _position_rows(num_prefix_rows: int) -> Transform:
    """Tables of positions: ours (rows, columns, embed_dim), CLIP's (prefix + rows * columns, embed_dim), row by row."""
    return Transform(
        "position_rows",
        file_shape=lambda shape: (num_prefix_rows + shape[0] * shape[1], shape[2]),
        read=lambda array, shape: array[num_prefix_rows:].reshape(shape),
        write=lambda array: np.pad(array.reshape(-1, array.shape[-1]), ((num_prefix_rows, 0), (0, 0)), mode="constant"),
    )
