"""transformers' config.json of Swin Transformers: read as our config, and written from it; of both versions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from keras_vit.models.shifted_windows.names import Spelling
from keras_vit.models.shifted_windows.stages import NORM_EPSILON, SwinStages
from keras_vit.models.transformers_images import preprocessing_of, processor_settings
from keras_vit.models.transformers_settings import count_classes, read_pair, read_values, write_labels
from keras_vit.preprocessing import Preprocessing


class Family(NamedTuple):
    """The classes of transformers for one version.

    Args:
        model_type: As config.json says it; also the prefix of weights.
        name: How the names of classes begin.
        has_fixed_window: Whether a window that is larger than a stage's grid is an error there.
    """

    model_type: str
    name: str
    has_fixed_window: bool

    @property
    def prefix(self) -> str:
        return f"{self.model_type}."

    @property
    def classes(self) -> dict[str, bool]:
        """Class -> whether it has a classifier."""
        return {
            f"{self.name}ForImageClassification": True,
            f"{self.name}ForMaskedImageModeling": False,
            f"{self.name}Model": False,
        }


# Files leave out what equals these. Source: transformers 5.23.0, `configuration_swin.py`, `configuration_swinv2.py`.
DEFAULTS: dict[str, Any] = {
    "image_size": 224,
    "patch_size": 4,
    "num_channels": 3,
    "embed_dim": 96,
    "depths": [2, 2, 6, 2],
    "num_heads": [3, 6, 12, 24],
    "window_size": 7,
    "mlp_ratio": 4.0,
    "qkv_bias": True,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "drop_path_rate": 0.1,
    "hidden_act": "gelu",
    "use_absolute_embeddings": False,
    "layer_norm_eps": 1e-5,
}


def has_classifier(settings: Mapping[str, Any], family: Family) -> bool:
    """Returns whether the class that config.json names gives logits.

    Raises:
        ValueError: It names a class that is not known.
    """
    classes = settings.get("architectures")
    if not classes:  # files written by hand; a classifier is said by its labels then
        return "id2label" in settings or "num_labels" in settings
    name = classes[0] if isinstance(classes, list) else classes
    if not isinstance(name, str) or name not in family.classes:
        raise ValueError(
            f"config.json needs architectures to name a class of transformers that keras_vit knows; got {name!r}. "
            f"Known are {', '.join(family.classes)}."
        )
    return family.classes[name]


def read_fields(settings: Mapping[str, Any], family: Family, more: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Returns the fields that both versions have, and the values of the settings.

    Args:
        settings: What config.json says.
        family: The classes of the version.
        more: Defaults of settings that only this version has.

    Raises:
        ValueError: Settings have the wrong type, or a value that makes another architecture than ours.
    """
    values = read_values(settings, {**DEFAULTS, **more}, family.model_type)
    wanted = {"hidden_act": "gelu", "use_absolute_embeddings": False, "layer_norm_eps": NORM_EPSILON}
    problems = [
        f"- {name} needs to be {value!r}; got {values[name]!r}"
        for name, value in wanted.items()
        if values[name] != value
    ]
    if problems:
        raise ValueError(f"config.json is of another model than our {family.name}:\n" + "\n".join(problems))
    fields = {
        "image_size": read_pair(values["image_size"]),
        "patch_size": read_pair(values["patch_size"]),
        "in_channels": values["num_channels"],
        "embed_dim": values["embed_dim"],
        "depths": values["depths"],
        "num_heads": values["num_heads"],
        "window_size": values["window_size"],
        "mlp_ratio": values["mlp_ratio"],
        "use_qkv_bias": values["qkv_bias"],
        "dropout_rate": values["hidden_dropout_prob"],
        "attention_dropout_rate": values["attention_probs_dropout_prob"],
        "drop_path_rate": values["drop_path_rate"],
        "num_classes": count_classes(settings) if has_classifier(settings, family) else 0,
    }
    return fields, values


def read_preprocessing(settings: Mapping[str, Any], config: SwinStages) -> dict[str, Any] | None:
    """Returns the fields of what makes the model's images, or None where no file says it."""
    processor = settings.get("preprocessor")
    return None if processor is None else preprocessing_of(processor, "ViT", config)


def check(config: SwinStages, family: Family) -> None:
    """Raises where transformers computes something else than we do.

    Raises:
        ValueError: All differences are listed.
    """
    problems = []
    if config.pooling != "mean":
        problems.append(f"- pooling needs to be 'mean'; got {config.pooling!r}")
    windows = set(config.window_size)
    if len(windows) > 1 or any(rows != columns for rows, columns in windows):
        problems.append(f"- window_size needs to be one square for all stages; got {config.window_size}")
    if config.image_size is None or config.image_size[0] != config.image_size[1]:
        problems.append(f"- image_size needs to be a square; got {config.image_size}")
    elif not problems:
        problems += _explain_grids(config, family)
    if problems:
        raise ValueError(
            f"transformers' {family.name} is not this model:\n"
            + "\n".join(problems)
            + "\nChange the model, or save it "
            "with save_to_preset: transformers reads that through timm."
        )


def write_settings(
    config: SwinStages, labels: Sequence[str] | None, preprocessing: Preprocessing, family: Family, more: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns config.json and preprocessor_config.json, with which transformers builds the model.

    Args:
        config: The model's settings, which `check` has passed.
        labels: Names of the classes.
        preprocessing: What makes the model's images.
        family: The classes of the version.
        more: Settings that only this version has.
    """
    name = f"{family.name}ForImageClassification" if config.num_classes else f"{family.name}Model"
    patch_size, image_size = config.patch_size, config.usual_size
    settings = {
        "architectures": [name],
        "model_type": family.model_type,
        "image_size": image_size[0],
        "patch_size": patch_size[0] if patch_size[0] == patch_size[1] else list(patch_size),
        "num_channels": config.in_channels,
        "embed_dim": config.embed_dim,
        "depths": list(config.depths),
        "num_heads": list(config.num_heads),
        "window_size": config.window_size[0][0],
        "mlp_ratio": config.mlp_ratio,
        "qkv_bias": config.use_qkv_bias,
        "hidden_dropout_prob": config.dropout_rate,
        "attention_probs_dropout_prob": config.attention_dropout_rate,
        "drop_path_rate": config.drop_path_rate,
        "hidden_act": "gelu",
        "layer_norm_eps": NORM_EPSILON,
        **more,
    }
    if config.num_classes:
        settings |= write_labels(config.num_classes, labels)
    return settings, processor_settings(preprocessing)


def spelling_of(prefix: str, mlp: tuple[str, str]) -> Spelling:
    """Returns how transformers spells what both versions have.

    Args:
        prefix: Of the names of the base model, such as "swin."; empty where it is not part of another model.
        mlp: The two dense layers of a feed-forward part.
    """
    return Spelling(
        patches=(f"{prefix}embeddings.patch_embeddings.projection", f"{prefix}embeddings.norm"),
        layer=f"{prefix}encoder.layers.{{}}.blocks.{{}}",
        norms=("layernorm_before", "layernorm_after"),
        mlp=mlp,
        merging=f"{prefix}encoder.layers.{{}}.downsample",
        is_merging_last=True,
        norm=f"{prefix}layernorm",
        head="classifier",
    )


def find_prefix(family: Family, names: Iterable[str]) -> str:
    """Returns what names of a base model begin with in a file: nothing, where it is saved by itself."""
    return family.prefix if any(name.startswith(family.prefix) for name in names) else ""


def explain_unused(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Returns, with the reason, the tensors that are needed for pretraining only."""
    parts = {"decoder.": "the decoder is needed for pretraining only"}
    parts[f"{prefix}embeddings.mask_token"] = "stands for hidden patches while pretraining"
    return {name: reason for name in names for part, reason in parts.items() if name.startswith(part)}


def _explain_grids(config: SwinStages, family: Family) -> list[str]:
    """Transformers fills up a grid before it shifts it, and we after; odd grids and small ones differ, too."""
    grids, windows = config.grid_sizes or [], config.window_sizes
    if any(rows % 2 for rows, _ in grids[:-1]):
        return [f"- image_size needs to give even numbers of patches in all stages but the last; got {grids}"]
    if any(grid[0] % window[0] for grid, window in zip(grids, windows, strict=True)):
        return [f"- window_size needs to divide the grid of each stage; got {windows} in {grids}"]
    if family.has_fixed_window and len(set(windows)) > 1:
        return [f"- window_size needs to be no larger than the grid of any stage; got {config.window_size} in {grids}"]
    return []
