"""The names of BEiT weights in canonical (timm) checkpoint files, as pairs that both reading and writing use."""

from collections.abc import Iterable

from keras_vit.checkpoints import Entry, Rows, Transform, identity, patch_kernel, position_grid, row_vector
from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.entry_groups import dense_entries, norm_entries

# One table of biases for all layers, as in pretraining: each layer gets a copy, as when the authors fine-tune.
shared = Transform(
    "shared",
    file_shape=lambda shape: shape,
    read=lambda array, shape: array,
    write=lambda array: array,
    is_part=True,
)


def canonical(config: BEiTConfig, shared_biases: str | None = None) -> list[Entry]:
    """Returns the canonical (timm) name of every variable of a BEiT.

    Args:
        config: The model's settings.
        shared_biases: Name of the tensor that holds the biases of all layers; None means that each has its own.

    Source: `timm/models/beit.py`.
    """
    entries = [
        Entry("patch_embedding/kernel", "patch_embed.proj.weight", patch_kernel),
        Entry("patch_embedding/bias", "patch_embed.proj.bias", identity),
        *position_entries(config, "cls_token", "pos_embed"),
    ]
    for index in range(config.depth):
        entries += _layer(config, f"encoder_{index}", f"blocks.{index}", shared_biases)
    entries += norm_entries("head/norm", "fc_norm") if config.use_head_norm else norm_entries("norm", "norm")
    return entries + (dense_entries("head/logits", "head") if config.num_classes else [])


def position_entries(config: BEiTConfig, class_token: str, positions: str) -> list[Entry]:
    """Returns the entries of the class token, and of positions with one in front that is added to that token."""
    if config.positional_encoding == "none":
        return [Entry("prefix_tokens/class_token", class_token, row_vector)]
    return [
        Entry("positional_encoding/table", positions, position_grid(1)),
        Entry("prefix_tokens/class_token", class_token, row_vector, Rows(positions, 0, 1)),
    ]


def bias_entries(config: BEiTConfig, ours: str, theirs: str, shared_biases: str | None) -> list[Entry]:
    """Returns the entry of the biases for offsets of one attention layer."""
    if not config.use_position_bias:
        return []
    if shared_biases is not None:
        return [Entry(f"{ours}/position_bias/table", shared_biases, shared)]
    return [Entry(f"{ours}/position_bias/table", theirs, identity)]


def explain_unused(names: Iterable[str]) -> dict[str, str]:
    """Returns what older files hold besides, with the reason why nothing is made of it."""
    reason = "which row of the biases belongs to which pair of tokens; follows from the grid"
    return {name: reason for name in names if name.endswith("relative_position_index")}


def _layer(config: BEiTConfig, ours: str, theirs: str, shared_biases: str | None) -> list[Entry]:
    table = f"{theirs}.attn.relative_position_bias_table"
    entries = [
        *norm_entries(f"{ours}/attention_norm", f"{theirs}.norm1"),
        *dense_entries(f"{ours}/attention/qkv", f"{theirs}.attn.qkv", use_bias=False),
        Entry(f"{ours}/attention/query_bias", f"{theirs}.attn.q_bias", identity),
        Entry(f"{ours}/attention/value_bias", f"{theirs}.attn.v_bias", identity),
        *bias_entries(config, f"{ours}/attention", table, shared_biases),
        *dense_entries(f"{ours}/attention/projection", f"{theirs}.attn.proj"),
        *norm_entries(f"{ours}/mlp_norm", f"{theirs}.norm2"),
        *dense_entries(f"{ours}/mlp/expand", f"{theirs}.mlp.fc1"),
        *dense_entries(f"{ours}/mlp/contract", f"{theirs}.mlp.fc2"),
    ]
    if config.layer_scale_init is not None:
        entries.append(Entry(f"{ours}/attention_scale/factors", f"{theirs}.gamma_1", identity))
        entries.append(Entry(f"{ours}/mlp_scale/factors", f"{theirs}.gamma_2", identity))
    return entries
