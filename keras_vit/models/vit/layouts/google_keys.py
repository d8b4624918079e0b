"""The names of ViT weights in Google's .npz files: two numberings of modules, layers apart or stacked."""

import dataclasses
from typing import NamedTuple

from keras_vit.checkpoints import Entry, Rows, Transform, identity, position_grid, row_vector
from keras_vit.models.layout import Tensors
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.head_axes import from_heads, to_heads

PREFIXES = ("", "opt/target/", "params/", "params/img/")


class Form(NamedTuple):
    """How one file names the tensors of its image model.

    Args:
        prefix: In front of all names, one of `PREFIXES`.
        is_stacked: Whether one tensor holds all encoder layers, along its first axis.
        attention: Module of an encoder layer. Flax's first API counts all modules of a layer together, its second
            one (linen) those of each class apart.
        mlp_norm: Likewise.
        mlp: Likewise.
        positions: Position table.
        num_position_rows: Rows of that table that belong to the class token.
    """

    prefix: str
    is_stacked: bool
    attention: str
    mlp_norm: str
    mlp: str
    positions: str
    num_position_rows: int

    @property
    def layers(self) -> str:
        """What the names of all encoder layers start with."""
        return f"{self.prefix}Transformer/encoderblock"

    @property
    def first_layer(self) -> str:
        return self.layers if self.is_stacked else f"{self.layers}_0"


def form_of(tensors: Tensors) -> Form:
    """Tells the form from names; the patch kernel needs to be there."""
    prefix = next(prefix for prefix in PREFIXES if f"{prefix}embedding/kernel" in tensors)
    encoder = f"{prefix}Transformer"
    is_stacked = f"{encoder}/encoderblock/LayerNorm_0/scale" in tensors
    first_layer = f"{encoder}/encoderblock" if is_stacked else f"{encoder}/encoderblock_0"
    is_first_api = f"{first_layer}/MultiHeadDotProductAttention_1/query/kernel" in tensors
    positions, num_position_rows = f"{prefix}pos_embedding", 0
    if positions not in tensors:
        # big_vision adds positions to patches alone; this other code does so when the class token is there already.
        positions, num_position_rows = f"{encoder}/posembed_input/pos_embedding", int(f"{prefix}cls" in tensors)
    return Form(
        prefix=prefix,
        is_stacked=is_stacked,
        attention=f"MultiHeadDotProductAttention_{1 if is_first_api else 0}",
        mlp_norm=f"LayerNorm_{2 if is_first_api else 1}",
        mlp=f"MlpBlock_{3 if is_first_api else 0}",
        positions=positions,
        num_position_rows=num_position_rows,
    )


def entries_of(config: ViTConfig, form: Form) -> list[Entry]:
    """Returns the name of every variable of a ViT.

    Source: `vit_jax/models_vit.py` of google-research/vision_transformer, `big_vision/models/vit.py`, and timm's
        `_load_weights`.
    """
    prefix = form.prefix
    entries = [
        *_dense("patch_embedding", f"{prefix}embedding"),
        Entry("positional_encoding/table", form.positions, position_grid(form.num_position_rows)),
    ]
    if config.use_class_token:
        plus = Rows(form.positions, 0, 1) if form.num_position_rows else None
        entries.append(Entry("prefix_tokens/class_token", f"{prefix}cls", row_vector, plus))
    entries += _encoder(config, form)
    entries += _norm("norm", f"{prefix}Transformer/encoder_norm")
    if config.pooling == "attention":
        entries += _attention_pooling(config, f"{prefix}MAPHead_0")
    if config.pre_logits_dim:
        entries += _dense("head/pre_logits", f"{prefix}pre_logits")
    if config.num_classes:
        entries += _dense("head/logits", f"{prefix}head")
    return entries


def _encoder(config: ViTConfig, form: Form) -> list[Entry]:
    if not form.is_stacked:
        return [
            entry
            for index in range(config.depth)
            for entry in _encoder_layer(config, form, f"encoder_{index}", f"{form.layers}_{index}")
        ]
    layers = [
        [
            _at_index(entry, index, config.depth)
            for entry in _encoder_layer(config, form, f"encoder_{index}", form.layers)
        ]
        for index in range(config.depth)
    ]
    # Tensor by tensor, not layer by layer: one is let go before the next is read.
    return [entry for same in zip(*layers, strict=True) for entry in same]


def _encoder_layer(config: ViTConfig, form: Form, ours: str, theirs: str) -> list[Entry]:
    attention = f"{theirs}/{form.attention}"
    return [
        *_norm(f"{ours}/attention_norm", f"{theirs}/LayerNorm_0"),
        *_per_head(f"{ours}/attention/qkv", attention, ("query", "key", "value"), config.num_heads),
        *_dense(f"{ours}/attention/projection", f"{attention}/out", from_heads(config.num_heads)),
        *_norm(f"{ours}/mlp_norm", f"{theirs}/{form.mlp_norm}"),
        *_dense(f"{ours}/mlp/expand", f"{theirs}/{form.mlp}/Dense_0"),
        *_dense(f"{ours}/mlp/contract", f"{theirs}/{form.mlp}/Dense_1"),
    ]


def _attention_pooling(config: ViTConfig, theirs: str) -> list[Entry]:
    attention = f"{theirs}/MultiHeadDotProductAttention_0"
    return [
        Entry("head/pool/latent", f"{theirs}/probe", row_vector),
        *_per_head("head/pool/query", attention, ("query",), config.num_heads),
        *_per_head("head/pool/key_value", attention, ("key", "value"), config.num_heads),
        *_dense("head/pool/projection", f"{attention}/out", from_heads(config.num_heads)),
        *_norm("head/pool/norm", f"{theirs}/LayerNorm_0"),
        *_dense("head/pool/mlp/expand", f"{theirs}/MlpBlock_0/Dense_0"),
        *_dense("head/pool/mlp/contract", f"{theirs}/MlpBlock_0/Dense_1"),
    ]


def _norm(ours: str, theirs: str) -> list[Entry]:
    return [Entry(f"{ours}/gamma", f"{theirs}/scale"), Entry(f"{ours}/beta", f"{theirs}/bias")]


def _dense(ours: str, theirs: str, kernel: Transform = identity) -> list[Entry]:
    return [Entry(f"{ours}/kernel", f"{theirs}/kernel", kernel), Entry(f"{ours}/bias", f"{theirs}/bias")]


def _per_head(ours: str, theirs: str, parts: tuple[str, ...], num_heads: int) -> list[Entry]:
    return [
        Entry(f"{ours}/{kind}", tuple(f"{theirs}/{part}/{kind}" for part in parts), to_heads(num_heads))
        for kind in ("kernel", "bias")
    ]


def _at_index(entry: Entry, index: int, depth: int) -> Entry:
    """Returns the entry for one layer, where a tensor holds those of all layers along its first axis."""
    inner = entry.transform
    one_of_all = Transform(
        f"layer {index} of {inner.name}",
        file_shape=lambda shape: (depth, *inner.file_shape(shape)),
        read=lambda array, shape: inner.read(array[index], shape),
        write=lambda array: inner.write(array)[None],
        is_part=True,
    )
    return dataclasses.replace(entry, transform=one_of_all)
