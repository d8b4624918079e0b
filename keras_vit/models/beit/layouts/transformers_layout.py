"""transformers' layout of BEiT and Data2Vec: tensors as its models name them; read, and written back."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from keras_vit.checkpoints import Entry, identity, patch_kernel
from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.beit.key_maps import bias_entries, explain_unused, position_entries
from keras_vit.models.beit.layouts.transformers_settings import (
    PREFIXES,
    config_of,
    head_of,
    labels_of,
    transformers_settings,
)
from keras_vit.models.entry_groups import dense_entries, norm_entries
from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, Writer
from keras_vit.models.transformers_images import preprocessing_of

_UNUSED = {
    "embeddings.mask_token": "stands for hidden patches while pretraining",
    "lm_head.": "tells visual tokens, for pretraining only",
}


class _Spelling(NamedTuple):
    """One way in which transformers spells the weights of layers and their biases."""

    layer: str
    qkv: tuple[str, str, str]
    projection: str
    mlp: tuple[str, str]
    biases: str
    shared_biases: str


# First the spelling of files, then the one of models in memory since transformers 5, which can be asked for in files.
_SPELLINGS = (
    _Spelling(
        layer="encoder.layer.{}",
        qkv=("attention.attention.query", "attention.attention.key", "attention.attention.value"),
        projection="attention.output.dense",
        mlp=("intermediate.dense", "output.dense"),
        biases="attention.attention.relative_position_bias.relative_position_bias_table",
        shared_biases="encoder.relative_position_bias.relative_position_bias_table",
    ),
    _Spelling(
        layer="layers.{}",
        qkv=("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        projection="attention.o_proj",
        mlp=("mlp.fc1", "mlp.fc2"),
        biases="relative_position_bias.relative_position_bias_table",
        shared_biases="shared_position_bias.relative_position_bias_table",
    ),
)


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    model_type = settings.get("model_type")
    return isinstance(model_type, str) and model_type in PREFIXES


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    config, processor = config_of(settings), settings.get("preprocessor")
    return Description(
        architecture="BEiT",
        config=config,
        preprocessing=None if processor is None else preprocessing_of(processor, "Beit", config),
        labels=labels_of(settings),
    )


def _map_keys(settings: dict[str, Any], config: BEiTConfig, tensors: Tensors) -> KeyMap:
    usual, head = PREFIXES[settings["model_type"]], head_of(settings)
    prefix = usual if any(name.startswith(usual) for name in tensors) else ""
    spelling = next(
        (each for each in _SPELLINGS if f"{prefix}{each.layer.format(0)}.{each.qkv[0]}.weight" in tensors),
        _SPELLINGS[0],  # what is missing is told by its usual name
    )
    has_norm = head != "none" or not config.use_head_norm
    return KeyMap(
        entries=_entries(config, prefix, spelling, has_shared_biases=f"{prefix}{spelling.shared_biases}" in tensors),
        ignored=_explain_unused(prefix, tensors),
        zeros={} if has_norm else dict.fromkeys(("head/norm/gamma", "head/norm/beta"), _WITHOUT_NORM),
    )


# These start as the factors 1 and the offsets 0, as they do in transformers.
_WITHOUT_NORM = "the encoder has no norm after its last layer; classifiers learn it"


def _explain_unused(prefix: str, names: Iterable[str]) -> dict[str, str]:
    names = list(names)
    parts = {start if start.startswith("lm_head") else f"{prefix}{start}": why for start, why in _UNUSED.items()}
    unused = {name: why for name in names for start, why in parts.items() if name.startswith(start)}
    return unused | explain_unused(names)


def _entries(config: BEiTConfig, prefix: str, spelling: _Spelling, *, has_shared_biases: bool = False) -> list[Entry]:
    """Returns the name of every variable in transformers' files.

    Args:
        config: The model's settings.
        prefix: Of the names of the base model; empty where it is not part of another model.
        spelling: Of the encoder's layers.
        has_shared_biases: Whether one table of biases serves all layers.

    Source: `modeling_beit.py` and `conversion_mapping.py` of transformers 5.23.0.
    """
    embeddings = f"{prefix}embeddings"
    shared_biases = f"{prefix}{spelling.shared_biases}" if has_shared_biases else None
    found = [
        Entry("patch_embedding/kernel", f"{embeddings}.patch_embeddings.projection.weight", patch_kernel),
        Entry("patch_embedding/bias", f"{embeddings}.patch_embeddings.projection.bias", identity),
        *position_entries(config, f"{embeddings}.cls_token", f"{embeddings}.position_embeddings"),
    ]
    for index in range(config.depth):
        theirs = f"{prefix}{spelling.layer.format(index)}"
        found += _layer(config, f"encoder_{index}", theirs, spelling, shared_biases)
    if config.use_head_norm:
        found += norm_entries("head/norm", f"{prefix}pooler.layernorm")
    else:
        # The norm of pretraining, of the mean of tokens, belongs to the head there, without the prefix.
        found += norm_entries("norm", "layernorm" if config.pooling == "mean" else f"{prefix}layernorm")
    return found + (dense_entries("head/logits", "classifier") if config.num_classes else [])


def _layer(config: BEiTConfig, ours: str, theirs: str, spelling: _Spelling, shared: str | None) -> list[Entry]:
    query, key, value = (f"{theirs}.{name}" for name in spelling.qkv)
    found = [
        *norm_entries(f"{ours}/attention_norm", f"{theirs}.layernorm_before"),
        *dense_entries(f"{ours}/attention/qkv", query, key, value, use_bias=False),
        Entry(f"{ours}/attention/query_bias", f"{query}.bias", identity),
        Entry(f"{ours}/attention/value_bias", f"{value}.bias", identity),
        *bias_entries(config, f"{ours}/attention", f"{theirs}.{spelling.biases}", shared),
        *dense_entries(f"{ours}/attention/projection", f"{theirs}.{spelling.projection}"),
        *norm_entries(f"{ours}/mlp_norm", f"{theirs}.layernorm_after"),
        *dense_entries(f"{ours}/mlp/expand", f"{theirs}.{spelling.mlp[0]}"),
        *dense_entries(f"{ours}/mlp/contract", f"{theirs}.{spelling.mlp[1]}"),
    ]
    if config.layer_scale_init is not None:
        found.append(Entry(f"{ours}/attention_scale/factors", f"{theirs}.lambda_1", identity))
        found.append(Entry(f"{ours}/mlp_scale/factors", f"{theirs}.lambda_2", identity))
    return found


def _written_entries(config: BEiTConfig) -> list[Entry]:
    """Returns the name of every variable, as transformers writes its files; a base model's have no prefix."""
    return _entries(config, PREFIXES["beit"] if config.num_classes else "", _SPELLINGS[0])


LAYOUT = Layout(name="transformers", recognises=_recognises, describe=_describe, map_keys=_map_keys)
TO_TRANSFORMERS = Writer(transformers_settings, _written_entries)
