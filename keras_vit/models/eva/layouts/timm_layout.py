"""timm's layout of EVA models: canonical tensors, with or without positions for prefix tokens."""

from typing import Any

from keras_vit.models.eva import key_maps
from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.eva.key_maps import Spelling
from keras_vit.models.eva.layouts.timm_arguments import config_of
from keras_vit.models.eva.presets import TABLES
from keras_vit.models.layout import KeyMap, Tensors, shape_of
from keras_vit.models.timm_layout import timm_layout

_UNUSED = {
    "mask_token": "stands for hidden patches while pretraining",
    "lm_head.": "guesses hidden patches while pretraining",
    "rope.": "computed from the image's grid",
}


def _map_keys(settings: dict[str, Any], config: EVAConfig, tensors: Tensors) -> KeyMap:
    usual = key_maps.usual_spelling(config)
    spelling = Spelling(
        num_position_rows=_count_position_rows(config, tensors),
        has_split_qkv=_either(tensors, "blocks.0.attn.q_proj.weight", "blocks.0.attn.qkv.weight", usual.has_split_qkv),
        has_split_gate=_either(tensors, "blocks.0.mlp.fc1_g.weight", "blocks.0.mlp.fc1.weight", usual.has_split_gate),
        # Models pretrained on hidden patches normalise every token; only the mean is, once they are fine-tuned.
        head_norm="norm" if "mask_token" in tensors and "fc_norm.weight" not in tensors else usual.head_norm,
    )
    entries = key_maps.canonical(config, spelling)
    used = {name for entry in entries for name in entry.names}
    ignored = {
        name: reason
        for name in tensors
        for start, reason in _UNUSED.items()
        if name.startswith(start) and name not in used
    }
    return KeyMap(entries=entries, ignored=ignored)


def _count_position_rows(config: EVAConfig, tensors: Tensors) -> int:
    if config.positional_encoding == "none" or "pos_embed" not in tensors:
        return 0
    shape, num_places = shape_of(tensors, "pos_embed"), config.grid_size[0] * config.grid_size[1]
    extra = shape[1] - num_places if len(shape) == 3 else 0
    return extra if extra == config.num_prefix_tokens else 0  # what else differs is told as a wrong shape


def _either(tensors: Tensors, name: str, other: str, usual: bool) -> bool:
    """Whether a file has the first of two tensors; what is usual where it has neither."""
    return name in tensors or (usual and other not in tensors)


LAYOUT = timm_layout(TABLES, config_of, _map_keys)
