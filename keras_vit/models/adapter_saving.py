"""Saving adapters: the matrices of LoRA and the head as a folder of a few megabytes, or a repository of the Hub."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit import checkpoints, hub
from keras_vit.models import card_facts, lora
from keras_vit.models.adapter import PREFIX, dense_modules, head_entries
from keras_vit.models.folders import temporary_folder, write_json
from keras_vit.models.whole_values import to_numpy, whole_values

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def save(model: Any, folder: str | os.PathLike[str], *, base: str | None = None, repo_id: str | None = None) -> Path:
    """Writes the adapter of a model; arguments as in `VisionModel.save_adapter`, and the repository it is for."""
    if not lora.is_adapted(model):
        raise ValueError("save_adapter needs a model with LoRA; call enable_lora and train it first.")
    origin = _origin(model, base, repo_id)
    tensors = _collect(model)
    provenance = dict(model.provenance)
    if _REPOSITORY.fullmatch(origin["name"]):
        provenance["source"] = {
            "repo_id": origin["name"],
            **({"revision": origin["revision"]} if origin["revision"] else {}),
        }
    section = {
        "class": type(model).__name__,
        "version": version("keras3-vit"),
        "config": model.config.to_dict(),
        "preprocessing": model.preprocessing.to_dict(),
        "labels": None if model.labels is None else list(model.labels),
        "provenance": provenance,
        "kernels": digest(model, model.lora["layers"]),
    }
    settings = _settings(model, origin, tensors)
    name = repo_id.split("/")[1] if repo_id else Path(folder).resolve().name
    card = hub.build_card(_record(model, name, repo_id, settings, provenance))
    metadata = {"keras_vit": json.dumps(section, ensure_ascii=False)}
    config_file, weights_file = hub.ADAPTER_FILES
    writers: dict[str, Callable[[Path], object]] = {
        config_file: lambda path: write_json(path, settings),
        weights_file: lambda path: checkpoints.write(path, tensors, metadata),
        "README.md": lambda path: path.write_text(card, encoding="utf-8"),
    }
    licence = hub.licence_text(provenance)
    if licence is not None:
        writers["LICENSE"] = lambda path: path.write_text(licence, encoding="utf-8")
    hub.write_folder(folder, writers)
    return Path(folder)


def is_possible(model: Any) -> bool:
    """Whether the layers under LoRA have modules of their own in timm, which adapters name."""
    return not _without_module(model, dense_modules(model))


def push(
    model: Any,
    repository: str,
    *,
    base: str | None,
    dry_run: bool | str | os.PathLike[str],
    license: str | None,  # noqa: A002
    **request: Any,
) -> hub.Upload | Path:
    """Writes the folder of an adapter and uploads it; arguments as in `VisionModel.push_adapter`."""
    repo_id = hub.check_target(
        repository, revision=request["revision"], create_pr=request["create_pr"], token=request["token"]
    )
    model.provenance = hub.resolve_licence(model.provenance, license)
    if dry_run is not False:
        folder = temporary_folder(repo_id) if dry_run is True else Path(dry_run)
        return save(model, folder, base=base, repo_id=repo_id)
    with tempfile.TemporaryDirectory(prefix="keras_vit-") as temporary:
        folder = save(model, Path(temporary, "adapter"), base=base, repo_id=repo_id)
        return hub.upload_preset(repo_id, folder, license=license, **request)


def digest(model: Any, layers: Iterable[str]) -> str:
    """Returns a hash of the kernels under LoRA, by which an adapter knows its base; "" where they have been rounded."""
    weights = model.weights_by_path()
    kernels = {path: weights[f"{path}/kernel"] for path in sorted(layers) if f"{path}/kernel" in weights}
    if {kernel.dtype for kernel in kernels.values()} != {"float32"}:
        return ""
    found = hashlib.sha256()
    for path, kernel in kernels.items():
        found.update(path.encode() + np.ascontiguousarray(to_numpy(kernel)).tobytes())
    return found.hexdigest()


def _origin(model: Any, base: str | None, repo_id: str | None) -> dict[str, Any]:
    origin: Any = model.base
    if base is not None:
        is_folder = repo_id is None and Path(base).is_dir()  # which could look like a repository
        origin = {"name": str(Path(base).resolve()) if is_folder else base.removeprefix("hf://"), "revision": None}
    if origin is None:
        raise ValueError(
            "save_adapter needs to name the model that LoRA was put on; this one was not loaded from a preset, or was "
            "trained before. Save or push that model as it was without LoRA, and pass its folder or name as base=."
        )
    if repo_id is not None and not _REPOSITORY.fullmatch(origin["name"]):
        raise ValueError(
            f"push_adapter needs a base on the Hub, because nobody else can load {origin['name']!r}. Push the base "
            'first, and pass base="owner/name".'
        )
    return dict(origin)


def _without_module(model: Any, modules: dict[str, Any]) -> list[str]:
    return [path for path in model.lora["layers"] if path not in modules]


def _collect(model: Any) -> dict[str, Any]:
    modules = dense_modules(model)
    missing = _without_module(model, modules)
    if missing:
        raise ValueError(
            f"save_adapter needs layers that timm stores one by one; got {', '.join(missing[:3])}, which shares a "
            "tensor with another. Use save_to_preset, which writes the whole model."
        )
    weights, tensors = model.weights_by_path(), {}
    for path in model.lora["layers"]:
        down, up = (to_numpy(weights[f"{path}/{name}"]).transpose() for name in lora.MATRICES)  # as PyTorch: (out, in)
        for module, part in zip(modules[path], np.split(up, len(modules[path])), strict=True):
            tensors[f"{PREFIX}{module}.lora_A.weight"] = down
            tensors[f"{PREFIX}{module}.lora_B.weight"] = part
    head = whole_values({path: weight for path, weight in weights.items() if path.startswith("head/")})
    tensors |= {PREFIX + name: array for name, array in checkpoints.collect(head, head_entries(model)).items()}
    broken = [name for name, array in tensors.items() if not np.isfinite(array).all()]
    if broken:
        raise ValueError(f"Saving needs finite weights; got NaN or infinity in {', '.join(broken[:5])}.")
    return tensors


def _settings(model: Any, origin: dict[str, Any], tensors: Iterable[str]) -> dict[str, Any]:
    """Returns `adapter_config.json`, as PEFT reads it."""
    names = [name.removeprefix(PREFIX) for name in tensors]
    targets = [name.removesuffix(".lora_A.weight") for name in names if name.endswith(".lora_A.weight")]
    head = dict.fromkeys(name.split(".")[0] for name in names if ".lora_" not in name)
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": origin["name"],
        "revision": origin["revision"],
        "r": model.lora["rank"],
        "lora_alpha": model.lora["alpha"],
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "target_modules": targets,
        "modules_to_save": list(head) or None,
        "inference_mode": True,
    }


def _record(
    model: Any, name: str, repo_id: str | None, settings: dict[str, Any], provenance: dict[str, Any]
) -> hub.CardRecord:
    weights = model.weights_by_path()
    own = [path for path in weights if lora.is_matrix(path) or path.startswith("head/")]
    is_timm = model.timm_settings(model.config)["architecture"] != "keras_vit"
    return card_facts.collect(
        model,
        name,
        provenance=provenance,
        repo_id=repo_id,
        layout="timm" if is_timm else "keras_vit",
        adapter={
            "base": settings["base_model_name_or_path"],
            "rank": settings["r"],
            "alpha": settings["lora_alpha"],
            "modules": sorted({target.split(".", 2)[-1] for target in settings["target_modules"]}),
            "parameters": sum(int(np.prod(weights[path].shape)) for path in own),
        },
    )
