"""Adapters: what LoRA learned, without the model it was learned on, in the layout of PEFT with timm's names."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_vit import checkpoints, hub

PREFIX = "base_model.model."  # PEFT's, before every name
MATRIX = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])\.weight")

# Settings of PEFT that mean another computation than kernel + alpha / rank * A @ B, and the values that do not.
_PLAIN = {
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "use_qalora": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "bias": ("none", None),
    "lora_bias": (False, None),
    "fan_in_fan_out": (False, None),
    "layer_replication": (None,),
    "trainable_token_indices": (None,),
    "target_parameters": (None, []),
}


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """An adapter that was found.

    Args:
        name: Said in messages.
        base: Preset that it belongs to; None where PEFT did not know.
        revision: Of the base, where that is a repository.
        rank: Inner width of its matrices.
        alpha: Scale; what the matrices give is multiplied by alpha / rank.
        section: What keras_vit wrote of the model; empty for adapters that PEFT wrote.
        licence: Of the adapter, as provenance holds it; empty where none is known.
        weights: File of the matrices, and of the head.
    """

    name: str
    base: str | None
    revision: str | None
    rank: int
    alpha: float
    section: Mapping[str, Any]
    licence: Mapping[str, str]
    weights: Path


def read_adapter(name: str, folder: Path, *, is_remote: bool = False) -> Adapter:
    """Returns what is in an adapter's folder; the weights need not be there yet.

    Args:
        name: Said in messages.
        folder: Where it is.
        is_remote: Whether it was downloaded: it may then name repositories only, and no folders of this machine.

    Raises:
        ValueError: It is no LoRA adapter, or one of a kind that Keras' LoRA does not compute; all reasons are listed.
    """
    settings = hub.read_settings(folder)
    base: Any = settings.get("base_model_name_or_path")
    rank: Any = settings.get("r")
    alpha: Any = settings.get("lora_alpha")
    if settings.get("peft_type") != "LORA":
        raise ValueError(f"{name} needs to be an adapter with peft_type 'LORA'; got {settings.get('peft_type')!r}.")
    problems = [
        f"{key} needs to be {allowed[0]!r}, got {settings[key]!r}"
        for key, allowed in _PLAIN.items()
        if key in settings and settings[key] not in allowed
    ]
    if type(rank) is not int or not 1 <= rank <= 65536:
        problems.append(f"r needs to be a whole number >= 1, got {rank!r}")
    if type(alpha) not in (int, float) or not (math.isfinite(alpha) and alpha > 0):
        problems.append(f"lora_alpha needs to be a number > 0, got {alpha!r}")
    if not isinstance(base, str | None) or base == "":
        problems.append(f"base_model_name_or_path needs to name a preset, got {base!r}")
    elif base and is_remote and not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", base, re.ASCII):
        problems.append(f"base_model_name_or_path needs to be a repository, owner/name, got {base!r}")
    if problems:
        raise ValueError(f"{name}: adapter_config.json cannot be used: {'; '.join(problems)}.")
    revision, section = settings.get("revision"), settings.get("keras_vit")
    return Adapter(
        name=name,
        base=f"hf://{base}" if base and is_remote and "/" in base else base,
        revision=revision if isinstance(revision, str) else None,
        rank=rank,
        alpha=alpha,
        section=section if isinstance(section, dict) else {},
        licence=hub.read_card_licence(folder / "README.md"),
        weights=folder / hub.ADAPTER_FILES[1],
    )


def dense_modules(model: Any) -> dict[str, tuple[str, ...]]:
    """Returns, by the path of each dense layer that an adapter can be written for, the names of timm's modules.

    Several modules make equal parts of the layer's outputs, in this order.
    """
    return {
        entry.variable.removesuffix("/kernel"): tuple(name.removesuffix(".weight") for name in entry.names)
        for entry in model.canonical_entries(model.config)
        # A part of a tensor has no module of its own.
        if entry.transform is checkpoints.transpose
        and entry.variable.endswith("/kernel")
        and not entry.variable.startswith("head/")
    }


def head_entries(model: Any) -> list[checkpoints.Entry]:
    """Returns the key map of the head, which is in the adapter as a whole."""
    return [entry for entry in model.canonical_entries(model.config) if entry.variable.startswith("head/")]
