"""transformers' layout of Swin: config.json with model_type "swin", and its names; read, and written back."""

from collections.abc import Sequence
from typing import Any

from keras_vit.checkpoints import Entry, identity
from keras_vit.models.entry_groups import dense_entries
from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, Writer
from keras_vit.models.shifted_windows.names import entries, explain_buffers
from keras_vit.models.shifted_windows.stages import SwinStages
from keras_vit.models.shifted_windows.transformers import (
    Family,
    check,
    explain_unused,
    find_prefix,
    has_classifier,
    read_fields,
    read_preprocessing,
    spelling_of,
    write_settings,
)
from keras_vit.models.swin.config import SwinConfig
from keras_vit.models.transformers_settings import read_labels
from keras_vit.preprocessing import Preprocessing

FAMILY = Family(model_type="swin", name="Swin", has_fixed_window=True)

# Feed-forward part, queries, keys and values, table, projection: first the spelling of files, then the one of models in
# memory since transformers 5, which can be asked for in files.
_SPELLINGS = (
    (
        ("intermediate.dense", "output.dense"),
        ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention.self",
        "attention.output.dense",
    ),
    (
        ("mlp.fc1", "mlp.fc2"),
        ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        "attention.relative_position_bias",
        "attention.o_proj",
    ),
)


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    return settings.get("model_type") == FAMILY.model_type


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    fields, _ = read_fields(settings, FAMILY, {})
    config = SwinConfig.from_dict(fields)
    check(config, FAMILY)
    return Description(
        architecture="Swin",
        config=config,
        preprocessing=read_preprocessing(settings, config),
        labels=read_labels(settings) if has_classifier(settings, FAMILY) else None,
    )


def _map_keys(settings: dict[str, Any], config: SwinConfig, tensors: Tensors) -> KeyMap:
    prefix = find_prefix(FAMILY, tensors)
    first = f"{prefix}encoder.layers.0.blocks.0.{_SPELLINGS[1][0][0]}.weight"
    found = _entries(config, prefix, is_new=first in tensors)
    return KeyMap(entries=found, ignored=explain_unused(prefix, tensors) | explain_buffers(tensors))


def _entries(config: SwinConfig, prefix: str, *, is_new: bool) -> list[Entry]:
    mlp, qkv, table, projection = _SPELLINGS[is_new]

    def attention(config: SwinStages, ours: str, theirs: str) -> list[Entry]:
        ours, names = f"{ours}/attention", (f"{theirs}.{name}" for name in qkv)
        return [
            *dense_entries(f"{ours}/qkv", *names, use_bias=config.use_qkv_bias),
            Entry(f"{ours}/position_bias/table", f"{theirs}.{table}.relative_position_bias_table", identity),
            *dense_entries(f"{ours}/projection", f"{theirs}.{projection}"),
        ]

    return entries(config, spelling_of(prefix, mlp), attention)


def _settings(
    config: SwinConfig, labels: Sequence[str] | None, preprocessing: Preprocessing
) -> tuple[dict[str, Any], dict[str, Any]]:
    check(config, FAMILY)
    return write_settings(config, labels, preprocessing, FAMILY, {})


def _written(config: SwinConfig) -> list[Entry]:
    # A base model is no part of another: its names have no prefix.
    return _entries(config, FAMILY.prefix if config.num_classes else "", is_new=False)


LAYOUT = Layout(name="transformers", recognises=_recognises, describe=_describe, map_keys=_map_keys)
TO_TRANSFORMERS = Writer(_settings, _written)
