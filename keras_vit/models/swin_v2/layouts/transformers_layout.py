"""transformers' layout of SwinV2: config.json with model_type "swinv2", and its names; read, and written back."""

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
from keras_vit.models.swin_v2.config import SwinV2Config
from keras_vit.models.swin_v2.key_maps import angle_entries
from keras_vit.models.transformers_settings import read_labels
from keras_vit.preprocessing import Preprocessing

FAMILY = Family(model_type="swinv2", name="Swinv2", has_fixed_window=False)

_MLP = ("intermediate.dense", "output.dense")
_OWN_DEFAULTS = {"pretrained_window_sizes": [0, 0, 0, 0]}


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    return settings.get("model_type") == FAMILY.model_type


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    fields, values = read_fields(settings, FAMILY, _OWN_DEFAULTS)
    sizes = values["pretrained_window_sizes"]
    config = SwinV2Config.from_dict({**fields, "pretrained_window_size": sizes if any(sizes) else (0,)})
    check(config, FAMILY)
    return Description(
        architecture="SwinV2",
        config=config,
        preprocessing=read_preprocessing(settings, config),
        labels=read_labels(settings) if has_classifier(settings, FAMILY) else None,
    )


def _map_keys(settings: dict[str, Any], config: SwinV2Config, tensors: Tensors) -> KeyMap:
    prefix = find_prefix(FAMILY, tensors)
    found = entries(config, spelling_of(prefix, _MLP), _attention)
    return KeyMap(entries=found, ignored=explain_unused(prefix, tensors) | explain_buffers(tensors))


def _attention(config: SwinStages, ours: str, theirs: str) -> list[Entry]:
    ours, own = f"{ours}/attention", f"{theirs}.attention.self"
    found = dense_entries(f"{ours}/qkv", f"{own}.query", f"{own}.key", f"{own}.value", use_bias=False)
    if config.use_qkv_bias:
        found.append(Entry(f"{ours}/query_bias", f"{own}.query.bias", identity))
        found.append(Entry(f"{ours}/value_bias", f"{own}.value.bias", identity))
    return [
        *found,
        *angle_entries(ours, f"{own}.logit_scale", f"{own}.continuous_position_bias_mlp"),
        *dense_entries(f"{ours}/projection", f"{theirs}.attention.output.dense"),
    ]


def _settings(
    config: SwinV2Config, labels: Sequence[str] | None, preprocessing: Preprocessing
) -> tuple[dict[str, Any], dict[str, Any]]:
    check(config, FAMILY)
    sizes = {"pretrained_window_sizes": config.pretrained_window_sizes}
    return write_settings(config, labels, preprocessing, FAMILY, sizes)


def _written(config: SwinV2Config) -> list[Entry]:
    # A base model is no part of another: its names have no prefix.
    return entries(config, spelling_of(FAMILY.prefix if config.num_classes else "", _MLP), _attention)


LAYOUT = Layout(name="transformers", recognises=_recognises, describe=_describe, map_keys=_map_keys)
TO_TRANSFORMERS = Writer(_settings, _written)
