"""The names of ViT weights in canonical (timm) checkpoint files, as pairs that both reading and writing use."""

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
from keras_vit.models.entry_groups import attention_pooling_entries, dense_entries, norm_entries
from keras_vit.models.vit.config import ViTConfig


def canonical(
    config: ViTConfig, num_position_rows: int | None = None, *, projection: str = "patch_embed.proj"
) -> list[Entry]:
    """Returns the canonical (timm) name of every variable of a ViT.

    Args:
        config: The model's settings.
        num_position_rows: Rows in front of `pos_embed` that belong to prefix tokens. We keep none: what a file has
            there is added to the tokens, which gives the same sums. None means as we write it: zeros for distilled
            models, because timm builds those with such rows only; no rows for all others (timm's `no_embed_class`).
        projection: Name of timm's module that makes tokens of patches.

    Source: `timm/models/vision_transformer.py` and `timm/models/deit.py`.
    """
    written_rows = config.num_prefix_tokens if config.use_distillation_token else 0
    rows = written_rows if num_position_rows is None else num_position_rows
    entries = [Entry("patch_embedding/kernel", f"{projection}.weight", patch_kernel)]
    if not config.use_embedding_norm:
        entries.append(Entry("patch_embedding/bias", f"{projection}.bias", identity))
    if config.use_patch_norm:
        entries += _norm(config, "patch_norm", "patch_embed.norm")
    if config.positional_encoding != "none":
        entries.append(Entry("positional_encoding/table", "pos_embed", position_grid(rows)))
    entries += _prefix_tokens(config, rows)
    if config.use_embedding_norm:
        entries += _norm(config, "embedding_norm", "norm_pre")
    for index in range(config.depth):
        ours, theirs = f"encoder_{index}", f"blocks.{index}"
        entries += _parallel(config, ours, theirs) if config.order == "parallel" else _sequential(config, ours, theirs)
    if config.use_final_norm and not config.use_head_norm:
        entries += _norm(config, "norm", "norm")
    return entries + _head(config)


def has_split_gate(config: ViTConfig) -> bool:
    """Whether timm keeps gate and linear branch of SwiGLU apart: in AIMv2, its only model with RMS norms."""
    return config.mlp == "swiglu" and config.norm == "rms_norm"


def _prefix_tokens(config: ViTConfig, num_position_rows: int) -> list[Entry]:
    counts = {
        ("class_token", "cls_token"): int(config.use_class_token),
        ("distillation_token", "dist_token"): int(config.use_distillation_token),
        ("register_tokens", "reg_token"): config.num_register_tokens,
    }
    entries, start = [], 0
    for (ours, theirs), count in counts.items():
        if count:
            plus = Rows("pos_embed", start, start + count) if num_position_rows else None
            entries.append(Entry(f"prefix_tokens/{ours}", theirs, row_vector, plus))
            start += count
    return entries


def _sequential(config: ViTConfig, ours: str, theirs: str) -> list[Entry]:
    use_bias = config.use_projection_bias
    entries = [
        *_norm(config, f"{ours}/attention_norm", f"{theirs}.norm1"),
        *dense_entries(f"{ours}/attention/qkv", f"{theirs}.attn.qkv", use_bias=config.use_qkv_bias),
        *dense_entries(f"{ours}/attention/projection", f"{theirs}.attn.proj", use_bias=use_bias),
        *_norm(config, f"{ours}/mlp_norm", f"{theirs}.norm2"),
        *_expand(config, f"{ours}/mlp/expand", f"{theirs}.mlp.fc1"),
        *dense_entries(f"{ours}/mlp/contract", f"{theirs}.mlp.fc2", use_bias=use_bias),
        *_qk_norms(config, ours, f"{theirs}.attn"),
        *_sub_norms(config, ours, theirs),
    ]
    if config.layer_scale_init is not None:
        entries.append(Entry(f"{ours}/attention_scale/factors", f"{theirs}.ls1.gamma", identity))
        entries.append(Entry(f"{ours}/mlp_scale/factors", f"{theirs}.ls2.gamma", identity))
    return entries


def _parallel(config: ViTConfig, ours: str, theirs: str) -> list[Entry]:
    """Both branches of timm's parallel block start from one fused tensor: feed-forward rows first, then q, k, v.

    What timm's block does not have gets a name of the same kind.
    """
    width = config.mlp_dim * (2 if config.mlp == "swiglu" else 1)
    total = width + 3 * config.embed_dim
    expand, qkv = f"{ours}/mlp/expand", f"{ours}/attention/qkv"

    def fused(kind: str, name: str, transform: Transform) -> list[Entry]:
        return [
            Entry(f"{expand}/{kind}", name, rows_of(transform, 0, width, total)),
            Entry(f"{qkv}/{kind}", name, rows_of(transform, width, total, total)),
        ]

    entries = [
        *_norm(config, f"{ours}/attention_norm", f"{theirs}.in_norm"),
        *fused("kernel", f"{theirs}.in_proj.weight", transpose),
        *dense_entries(f"{ours}/attention/projection", f"{theirs}.attn_out_proj", use_bias=config.use_projection_bias),
        *dense_entries(f"{ours}/mlp/contract", f"{theirs}.mlp_out_proj", use_bias=config.use_projection_bias),
        *_qk_norms(config, ours, theirs),
        *_sub_norms(config, ours, theirs),
    ]
    if config.use_qkv_bias and config.use_projection_bias:
        entries += fused("bias", f"{theirs}.in_proj.bias", identity)
    elif config.use_qkv_bias:
        entries.append(Entry(f"{qkv}/bias", f"{theirs}.qkv_bias", identity))
    elif config.use_projection_bias:
        entries.append(Entry(f"{expand}/bias", f"{theirs}.mlp_bias", identity))
    if config.layer_scale_init is not None:
        entries.append(Entry(f"{ours}/attention_scale/factors", f"{theirs}.ls.gamma", identity))
    return entries


def _qk_norms(config: ViTConfig, ours: str, theirs: str) -> list[Entry]:
    if not config.use_qk_norm:
        return []
    return [
        *_norm(config, f"{ours}/attention/query_norm", f"{theirs}.q_norm"),
        *_norm(config, f"{ours}/attention/key_norm", f"{theirs}.k_norm"),
    ]


def _sub_norms(config: ViTConfig, ours: str, theirs: str) -> list[Entry]:
    if not config.use_sub_norm:
        return []
    return [
        *_norm(config, f"{ours}/attention/sub_norm", f"{theirs}.attn.norm"),
        *_norm(config, f"{ours}/mlp/norm", f"{theirs}.mlp.norm"),
    ]


def _expand(config: ViTConfig, ours: str, theirs: str) -> list[Entry]:
    use_bias = config.use_projection_bias
    if not has_split_gate(config):
        return dense_entries(ours, theirs, use_bias=use_bias)
    return dense_entries(ours, f"{theirs}_g", f"{theirs}_x", use_bias=use_bias)


def _head(config: ViTConfig) -> list[Entry]:
    entries = []
    if config.pooling == "attention":
        entries += attention_pooling_entries(config.norm)
    if config.use_head_norm:
        entries += _norm(config, "head/norm", "fc_norm")
    if config.pre_logits_dim:
        entries += dense_entries("head/pre_logits", "pre_logits.fc")
    if config.num_classes:
        entries += dense_entries("head/logits", "head")
        if config.use_distillation_token:
            entries += dense_entries("head/distillation_logits", "head_dist")
    return entries


def _norm(config: ViTConfig, ours: str, theirs: str) -> list[Entry]:
    return norm_entries(ours, theirs, config.norm)
