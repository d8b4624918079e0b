"""The names of SwinV2 weights in canonical (timm) checkpoint files, as pairs that both reading and writing use."""

from keras_vit.checkpoints import Entry, identity, transpose
from keras_vit.models.entry_groups import dense_entries
from keras_vit.models.shifted_windows.names import TIMM, Spelling, entries
from keras_vit.models.shifted_windows.stages import SwinStages


def canonical(config: SwinStages, spelling: Spelling = TIMM) -> list[Entry]:
    """Returns the canonical (timm) name of every variable of a Swin Transformer V2.

    Args:
        config: The model's settings.
        spelling: timm's, or that of the authors.

    Source: `timm/models/swin_transformer_v2.py`.
    """
    return entries(config, spelling, _attention)


def angle_entries(ours: str, scale: str, network: str) -> list[Entry]:
    """Returns the entries of what attention by angles has: the logarithms of its scales, and the network of its biases.

    Args:
        ours: Path of the attention layer.
        scale: Name of the scales.
        network: Name of the network, whose layers are numbered 0 (dense), 1 (activation) and 2 (dense).
    """
    return [
        Entry(f"{ours}/log_scale", scale, identity),
        Entry(f"{ours}/position_bias/hidden_kernel", f"{network}.0.weight", transpose),
        Entry(f"{ours}/position_bias/hidden_bias", f"{network}.0.bias", identity),
        Entry(f"{ours}/position_bias/output_kernel", f"{network}.2.weight", transpose),
    ]


def _attention(config: SwinStages, ours: str, theirs: str) -> list[Entry]:
    ours, theirs = f"{ours}/attention", f"{theirs}.attn"
    found = dense_entries(f"{ours}/qkv", f"{theirs}.qkv", use_bias=False)
    if config.use_qkv_bias:
        found.append(Entry(f"{ours}/query_bias", f"{theirs}.q_bias", identity))
        found.append(Entry(f"{ours}/value_bias", f"{theirs}.v_bias", identity))
    return [
        *found,
        *angle_entries(ours, f"{theirs}.logit_scale", f"{theirs}.cpb_mlp"),
        *dense_entries(f"{ours}/projection", f"{theirs}.proj"),
    ]
