"""The names of EVA's weights in canonical (timm) checkpoint files, as pairs that both reading and writing use."""

from dataclasses import dataclass

from keras_vit.checkpoints import Entry, Rows, identity, patch_kernel, position_grid, row_vector
from keras_vit.models.entry_groups import attention_pooling_entries, dense_entries, norm_entries
from keras_vit.models.eva.config import EVAConfig


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """What differs between timm's files of models that compute the same.

    Args:
        num_position_rows: Rows in front of `pos_embed` that belong to prefix tokens. We keep none: what a file has
            there is added to the tokens, which gives the same sums.
        has_split_qkv: Whether queries, keys and values are three tensors.
        has_split_gate: Whether gate and linear branch of SwiGLU are two tensors.
        head_norm: Name of the norm after pooling.
    """

    num_position_rows: int = 0
    has_split_qkv: bool = False
    has_split_gate: bool = False
    head_norm: str = "fc_norm"


def usual_spelling(config: EVAConfig) -> Spelling:
    """Returns how timm's own checkpoints of such models are written, but without positions of prefix tokens."""
    is_dinov3 = config.rotary == "centred" and config.norm == "layer_norm"
    return Spelling(
        # EVA-02 and Sapiens2.
        has_split_qkv=config.use_mlp_sub_norm or config.num_key_value_heads is not None,
        has_split_gate=config.mlp == "swiglu" and (config.use_mlp_sub_norm or is_dinov3),
    )


def canonical(config: EVAConfig, spelling: Spelling | None = None) -> list[Entry]:
    """Returns the canonical (timm) name of every variable.

    Args:
        config: The model's settings.
        spelling: Of a file; None means as we write it.

    Source: `timm/models/eva.py`.
    """
    spelling = spelling or usual_spelling(config)
    entries = [Entry("patch_embedding/kernel", "patch_embed.proj.weight", patch_kernel)]
    if not config.use_embedding_norm:
        entries.append(Entry("patch_embedding/bias", "patch_embed.proj.bias", identity))
    if config.positional_encoding != "none":
        transform = position_grid(spelling.num_position_rows)
        entries.append(Entry("positional_encoding/table", "pos_embed", transform))
    if config.rotary == "learned":
        entries.append(Entry("rotary_positions/frequencies", "rope.freqs", identity))
    entries += _prefix_tokens(config, spelling.num_position_rows)
    if config.use_embedding_norm:
        entries += norm_entries("embedding_norm", "norm_pre", config.norm)
    for index in range(config.depth):
        entries += _encoder(config, index, spelling)
    if config.use_final_norm and not config.use_head_norm:
        entries += norm_entries("norm", "norm", config.norm)
    return entries + _head(config, spelling)


def has_shared_keys(config: EVAConfig, index: int) -> bool:
    """Whether several heads of an encoder layer share keys and values."""
    return config.num_key_value_heads is not None and config.num_key_value_heads[index] != config.num_heads


def _prefix_tokens(config: EVAConfig, num_position_rows: int) -> list[Entry]:
    counts = {("class_token", "cls_token"): int(config.use_class_token)}
    counts["register_tokens", "reg_token"] = config.num_register_tokens
    entries, start = [], 0
    for (ours, theirs), count in counts.items():
        if count:
            plus = Rows("pos_embed", start, start + count) if num_position_rows else None
            entries.append(Entry(f"prefix_tokens/{ours}", theirs, row_vector, plus))
            start += count
    return entries


def _encoder(config: EVAConfig, index: int, spelling: Spelling) -> list[Entry]:
    ours, theirs = f"encoder_{index}", f"blocks.{index}"
    expand = (f"{theirs}.mlp.fc1_g", f"{theirs}.mlp.fc1_x") if spelling.has_split_gate else (f"{theirs}.mlp.fc1",)
    entries = [
        *norm_entries(f"{ours}/attention_norm", f"{theirs}.norm1", config.norm),
        *_attention(config, f"{ours}/attention", f"{theirs}.attn", spelling, has_shared_keys(config, index)),
        *norm_entries(f"{ours}/mlp_norm", f"{theirs}.norm2", config.norm),
        *dense_entries(f"{ours}/mlp/expand", *expand),
        *dense_entries(f"{ours}/mlp/contract", f"{theirs}.mlp.fc2"),
    ]
    if config.use_mlp_sub_norm:
        entries += norm_entries(f"{ours}/mlp/norm", f"{theirs}.mlp.norm", config.norm)
    if config.layer_scale_init is not None:
        entries.append(Entry(f"{ours}/attention_scale/factors", f"{theirs}.gamma_1", identity))
        if config.use_mlp_scale:
            entries.append(Entry(f"{ours}/mlp_scale/factors", f"{theirs}.gamma_2", identity))
    return entries


def _attention(config: EVAConfig, ours: str, theirs: str, spelling: Spelling, is_shared: bool) -> list[Entry]:
    query, key, value = (f"{theirs}.{letter}_proj" for letter in "qkv")
    use_bias = config.use_key_bias
    if is_shared:
        entries = dense_entries(f"{ours}/query", query, use_bias=use_bias)
        entries += dense_entries(f"{ours}/key_value", key, value, use_bias=use_bias)
    elif spelling.has_split_qkv:
        entries = dense_entries(f"{ours}/qkv", query, key, value, use_bias=use_bias)
    else:
        entries = dense_entries(f"{ours}/qkv", f"{theirs}.qkv", use_bias=use_bias)
    if config.use_qkv_bias and not config.use_key_bias:
        for name in ("query", "value"):
            bias = f"{theirs}.{name[0]}_proj.bias" if spelling.has_split_qkv else f"{theirs}.{name[0]}_bias"
            entries.append(Entry(f"{ours}/{name}_bias", bias, identity))
    if config.use_qk_norm:
        entries += norm_entries(f"{ours}/query_norm", f"{theirs}.q_norm", config.norm)
        entries += norm_entries(f"{ours}/key_norm", f"{theirs}.k_norm", config.norm)
    if config.use_attention_sub_norm:
        entries += norm_entries(f"{ours}/sub_norm", f"{theirs}.norm", config.norm)
    return entries + dense_entries(f"{ours}/projection", f"{theirs}.proj")


def _head(config: EVAConfig, spelling: Spelling) -> list[Entry]:
    entries = []
    if config.pooling == "attention":
        entries += attention_pooling_entries(config.norm)
    if config.use_head_norm:
        entries += norm_entries("head/norm", spelling.head_norm, config.norm)
    if config.num_classes:
        entries += dense_entries("head/logits", "head")
    return entries
