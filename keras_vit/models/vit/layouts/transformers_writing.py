"""Writing for transformers: which of its classes builds a model of ours, what config.json says of it, and the names."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_vit.checkpoints import Entry
from keras_vit.models.transformers_images import processor_settings
from keras_vit.models.transformers_settings import ACTIVATION_NAMES, write_labels
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts import transformers_keys
from keras_vit.models.vit.layouts.transformers_models import model_of
from keras_vit.models.vit.layouts.transformers_settings import gated_dim, plain_dim
from keras_vit.preprocessing import Preprocessing

_CLASSES = {  # model_type -> (with classes, without)
    "vit": ("ViTForImageClassification", "ViTModel"),
    "deit": ("DeiTForImageClassification", "DeiTModel"),
    "dinov2": ("Dinov2ForImageClassification", "Dinov2Model"),
    "dinov2_with_registers": ("Dinov2WithRegistersForImageClassification", "Dinov2WithRegistersModel"),
    "clip": ("CLIPForImageClassification", "CLIPVisionModel"),
    "siglip": ("SiglipForImageClassification", "SiglipVisionModel"),
}
# What no class of transformers does otherwise.
_ALWAYS: dict[str, tuple[Any, ...]] = {
    "order": ("pre_norm",),
    "norm": ("layer_norm",),
    "positional_encoding": ("learned", "sincos"),
    "use_patch_norm": (False,),
    "use_projection_bias": (True,),
    "use_qk_norm": (False,),
    "use_sub_norm": (False,),
    "window_size": (None,),
    "pool_prefix_tokens": (False,),
    "use_head_norm": (False,),
    "pre_logits_dim": (None,),
}


class _Target(NamedTuple):
    """The class that is written for: its model_type and name, and whether it takes square images only."""

    model_type: str
    name: str
    is_square: bool


def transformers_settings(
    config: ViTConfig, labels: Sequence[str] | None, preprocessing: Preprocessing
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns config.json and preprocessor_config.json, with which transformers builds the model.

    Raises:
        ValueError: None of its ViT, DeiT, DINOv2, CLIP and SigLIP is this model; the message names the settings.
    """
    target = _target(config)
    _check(config, target)
    own = _sizes(config, target)
    settings: dict[str, Any] = {"architectures": [target.name], "model_type": target.model_type}
    if target.model_type in ("clip", "siglip"):
        if config.num_classes:
            settings["vision_config"] = {**own, "model_type": f"{target.model_type}_vision_model"}
        else:
            settings = {**settings, **own, "model_type": f"{target.model_type}_vision_model"}
    else:
        settings |= own
    if config.num_classes:
        settings |= write_labels(config.num_classes, labels)
    return settings, processor_settings(preprocessing)


def entries(config: ViTConfig) -> list[Entry]:
    """Returns the name of every variable, as transformers writes its files; prefix tokens get positions of zeros."""
    target = _target(config)
    model = model_of({"architectures": [target.name], "model_type": target.model_type})
    # A base model is no part of another: its names have no prefix.
    prefix = model.prefix if config.num_classes else ""
    spelling = transformers_keys.spellings(config, model.family)[0]
    return transformers_keys.entries(config, model, prefix, spelling, prefix)


def _target(config: ViTConfig) -> _Target:
    """Returns the class that comes closest; whether it is this model is still to be checked."""
    model_type = _model_type(config)
    with_classes, without = _CLASSES[model_type]
    name = with_classes if config.num_classes else without
    if config.use_distillation_token and config.num_classes:
        name = "DeiTForImageClassificationWithTeacher"
    return _Target(model_type, name, is_square=model_type not in ("vit", "deit"))


def _model_type(config: ViTConfig) -> str:
    if config.use_embedding_norm:
        return "clip"
    if not config.use_class_token:
        return "siglip"
    if config.layer_scale_init is not None or config.mlp == "swiglu" or config.pooling == "token_mean":
        return "dinov2_with_registers" if config.num_register_tokens else "dinov2"
    return "deit" if config.use_distillation_token or config.num_register_tokens else "vit"


def _allowed(config: ViTConfig, target: _Target) -> dict[str, tuple[Any, ...]]:
    """Returns the values that a class of transformers has for our fields."""
    has_classes = bool(config.num_classes)
    plain = {
        **_ALWAYS,
        "mlp": ("mlp",),
        "use_class_token": (True,),
        "use_distillation_token": (False,),
        "num_register_tokens": (0,),
        "layer_scale_init": (None,),
        "pooling": ("token",),
        "use_final_norm": (True,),
    }
    match target.model_type:
        case "deit":
            # The token of distillation, as a register where no head reads it.
            is_taught = config.use_distillation_token
            return {**plain, "use_distillation_token": (is_taught,), "num_register_tokens": (int(not is_taught),)}
        case "dinov2" | "dinov2_with_registers":
            pooling = "token_mean" if has_classes else "token"
            free = {"mlp": ("mlp", "swiglu"), "num_register_tokens": (config.num_register_tokens,)}
            return {**plain, **free, "layer_scale_init": (config.layer_scale_init or 1.0,), "pooling": (pooling,)}
        case "clip":
            pooling = "mean" if has_classes else "token"
            tower = {"use_qkv_bias": (True,), "pooling": (pooling,), "use_final_norm": (not has_classes,)}
            return {**plain, **tower}
        case "siglip":
            poolings = ("mean",) if has_classes else ("attention", "mean")
            return {**plain, "use_qkv_bias": (True,), "use_class_token": (False,), "pooling": poolings}
    return plain


def _check(config: ViTConfig, target: _Target) -> None:
    problems = [
        f"- {name} needs to be {' or '.join(map(repr, values))}; got {getattr(config, name)!r}"
        for name, values in _allowed(config, target).items()
        if getattr(config, name) not in values
    ]
    image_size = _image_size(config)
    if config.image_size not in (None, image_size):
        problems.append(
            f"- image_size needs to be {image_size}, for which positions are stored; got {config.image_size}"
        )
    if target.is_square and len(set(image_size)) + len(set(config.patch_size)) > 2:
        problems.append(f"- image_size and patch_size need to be squares; got {image_size}, {config.patch_size}")
    if target.model_type.startswith("dinov2") and _mlp_ratio(config) is None:
        problems.append(
            f"- mlp_ratio needs to be a whole number, in 'swiglu' one before two thirds are taken; got "
            f"{config.mlp_ratio}"
        )
    if problems:
        raise ValueError(
            f"transformers cannot build this model; {target.name}, its closest class, differs:\n"
            + "\n".join(problems)
            + "\nChange the model, or save it with save_to_preset: transformers reads that through timm."
        )


def _image_size(config: ViTConfig) -> tuple[int, int]:
    """Returns the image size that positions are stored for."""
    if config.drop_remainder and config.image_size is not None:
        return config.image_size
    rows, columns = config.grid_size
    return rows * config.patch_size[0], columns * config.patch_size[1]


def _sizes(config: ViTConfig, target: _Target) -> dict[str, Any]:
    is_tower, is_dinov2 = target.model_type in ("clip", "siglip"), target.model_type.startswith("dinov2")
    sizes: dict[str, Any] = {
        "hidden_size": config.embed_dim,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.num_heads,
        "hidden_act": ACTIVATION_NAMES[config.activation],
        "layer_norm_eps": config.norm_epsilon,
        "image_size": _plain(_image_size(config)),
        "patch_size": _plain(config.patch_size),
        "num_channels": config.in_channels,
    }
    if is_dinov2:
        sizes["mlp_ratio"] = _mlp_ratio(config)
        sizes["use_swiglu_ffn"] = config.mlp == "swiglu"
        sizes["layerscale_value"] = config.layer_scale_init
        sizes["drop_path_rate"] = config.drop_path_rate
        if config.num_register_tokens:
            sizes["num_register_tokens"] = config.num_register_tokens
        else:
            sizes["use_mask_token"] = False
    else:
        sizes["intermediate_size"] = config.mlp_dim
    if is_tower:
        sizes["attention_dropout"] = config.attention_dropout_rate
    else:
        sizes["qkv_bias"] = config.use_qkv_bias
        sizes["hidden_dropout_prob"] = config.dropout_rate
        sizes["attention_probs_dropout_prob"] = config.attention_dropout_rate
    if target.model_type == "siglip":
        sizes["vision_use_head"] = config.pooling == "attention"
    return sizes


def _plain(size: tuple[int, int]) -> int | list[int]:
    return size[0] if size[0] == size[1] else list(size)


def _mlp_ratio(config: ViTConfig) -> int | None:
    """Returns the whole number that gives DINOv2's feed-forward part its width, or None."""
    width = gated_dim if config.mlp == "swiglu" else plain_dim
    return next((ratio for ratio in range(1, 65) if width(config.embed_dim, ratio) == config.mlp_dim), None)
