"""The names of Swin weights in canonical (timm) checkpoint files, as pairs that both reading and writing use."""

from keras_vit.checkpoints import Entry, identity
from keras_vit.models.entry_groups import dense_entries
from keras_vit.models.shifted_windows.names import TIMM, Spelling, entries
from keras_vit.models.shifted_windows.stages import SwinStages


def canonical(config: SwinStages, spelling: Spelling = TIMM) -> list[Entry]:
    """Returns the canonical (timm) name of every variable of a Swin Transformer.

    Args:
        config: The model's settings.
        spelling: timm's, or that of the authors.

    Source: `timm/models/swin_transformer.py`.
    """
    return entries(config, spelling, _attention)


def _attention(config: SwinStages, ours: str, theirs: str) -> list[Entry]:
    table = Entry(f"{ours}/attention/position_bias/table", f"{theirs}.attn.relative_position_bias_table", identity)
    return [
        *dense_entries(f"{ours}/attention/qkv", f"{theirs}.attn.qkv", use_bias=config.use_qkv_bias),
        table,
        *dense_entries(f"{ours}/attention/projection", f"{theirs}.attn.proj"),
    ]
