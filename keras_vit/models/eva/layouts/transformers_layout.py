"""transformers' layout of DINOv3: config.json with a model_type, and tensors named by its models; also written."""

from typing import Any

from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.eva.layouts import transformers_keys
from keras_vit.models.eva.layouts.transformers_settings import MODEL_TYPE, config_of, transformers_settings
from keras_vit.models.layout import Description, KeyMap, Layout, Tensors, Writer
from keras_vit.models.transformers_images import preprocessing_of

_UNUSED = {
    "embeddings.mask_token": "stands for hidden patches while pretraining",
    "embeddings.register_tokens": "without registers, it is empty",
}


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    return settings.get("model_type") == MODEL_TYPE


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    config, processor = config_of(settings), settings.get("preprocessor")
    return Description(
        architecture="EVA",
        config=config,
        preprocessing=None if processor is None else preprocessing_of(processor, "DINOv3ViT", config),
    )


def _map_keys(settings: dict[str, Any], config: EVAConfig, tensors: Tensors) -> KeyMap:
    first, *others = transformers_keys.LAYER_PREFIXES
    prefix = next((each for each in others if f"{each}0.norm1.weight" in tensors), first)
    entries = transformers_keys.entries(config, prefix)
    used = {name for entry in entries for name in entry.names}
    return KeyMap(entries=entries, ignored={name: why for name, why in _UNUSED.items() if name not in used})


LAYOUT = Layout(name="transformers", recognises=_recognises, describe=_describe, map_keys=_map_keys)
TO_TRANSFORMERS = Writer(transformers_settings, transformers_keys.entries)
