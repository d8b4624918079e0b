"""Writes timm's tables of architectures, checkpoints and class names into the package.

    python -m tests.parity.timm_table [--accuracy RESULTS.csv]

There are two tables for each model class, in the folder of its `presets.py`. All of it is read from the installed timm,
whose models are built without memory for their weights, except the reported accuracy: that is taken from the columns
top1 and top5 of a file such as timm's results-imagenet.csv, and kept as it is where no file is given.
"""

import argparse
import csv
import functools
import gzip
import importlib
import inspect
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import tests.parity.conftest  # noqa: F401, isort: skip  (before timm: it makes torchvision importable)
import timm
import torch
from timm.data import ImageNetInfo

from keras_vit.models import catalogue, labels
from keras_vit.models.timm_tables import TimmTables

# Our class -> timm's modules and the class in them whose arguments are recorded.
TIMM_CLASSES = {
    "ViT": (("vision_transformer", "deit"), timm.models.VisionTransformer),
    "BEiT": (("beit",), timm.models.Beit),
    "EVA": (("eva",), timm.models.Eva),
    "HybridViT": (("vision_transformer_hybrid",), timm.models.VisionTransformer),
    "PyramidViT": (("pvt_v2",), timm.models.PyramidVisionTransformerV2),
    "Swin": (("swin_transformer",), timm.models.SwinTransformer),
    "SwinV2": (("swin_transformer_v2",), timm.models.SwinTransformerV2),
}

# What timm calls our label sets.
SUBSETS = {
    "imagenet-1k": "imagenet-1k",
    "imagenet-12k": "imagenet-12k",
    "imagenet-21k": "imagenet-21k-goog",
    "imagenet-21k-miil": "imagenet-21k-miil",
    "imagenet-22k": "imagenet-22k",
}

NOT_REPORTED = {"top1": "", "top5": ""}

# Arguments that have columns of their own, or that say nothing about a model with weights.
LEFT_OUT = {"self", "img_size", "in_chans", "num_classes", "weight_init", "device", "dtype"}


def main() -> None:
    """Writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", type=Path, default=None, help="CSV with name (or model), top1, top5")
    path = parser.parse_args().accuracy
    for architecture in catalogue.ARCHITECTURES:
        tables = tables_of(architecture)
        accuracy = read_accuracy(path or tables.checkpoints_file)
        write_csv(tables.architectures_file, architecture_rows(architecture))
        checkpoints = [row | accuracy.get(row["name"], NOT_REPORTED) for row in checkpoint_rows(architecture)]
        write_csv(tables.checkpoints_file, checkpoints)
    table = "".join("\t".join(row) + "\n" for row in synset_rows())
    labels.SYNSETS_FILE.write_bytes(gzip.compress(table.encode(), compresslevel=9, mtime=0))


def tables_of(architecture: str) -> TimmTables:
    """Returns the tables of one of our classes."""
    module = importlib.import_module(f"{catalogue.ARCHITECTURES[architecture]}.presets")
    return module.TABLES


def architecture_rows(architecture: str) -> list[dict[str, str]]:
    """Returns timm's architectures with a published checkpoint: class, size without a head, and arguments."""
    names = dict.fromkeys(name.split(".")[0] for name in checkpoint_names(architecture))
    return [_architecture_row(name, TIMM_CLASSES[architecture][1]) for name in names]


def checkpoint_rows(architecture: str) -> Iterator[dict[str, str]]:
    """Yields each published checkpoint: where it is, its licence, its preprocessing and its number of parameters."""
    for name in checkpoint_names(architecture):
        settings = timm.get_pretrained_cfg(name)
        model, _ = build(name, TIMM_CLASSES[architecture][1])
        yield {
            "name": name,
            "hub_id": settings.hf_hub_id or "",
            "architecture": name.split(".")[0],
            "license": settings.license or "",
            "num_classes": str(settings.num_classes),
            "image_size": "x".join(map(str, settings.input_size[1:])),
            "interpolation": settings.interpolation,
            "crop_fraction": str(settings.crop_pct),
            "crop_mode": settings.crop_mode,
            "mean": " ".join(map(str, settings.mean)),
            "std": " ".join(map(str, settings.std)),
            "parameters": str(count_parameters(model)),
        }


def synset_rows() -> Iterator[list[str]]:
    """Yields a line of titles, then each WordNet synset of the label sets: id, which sets it is in, names."""
    members = {dataset: set(ImageNetInfo(subset).label_names()) for dataset, subset in SUBSETS.items()}
    names = {}
    for subset in SUBSETS.values():
        names |= ImageNetInfo(subset).label_descriptions(as_dict=True)
    yield ["synset", *members, "names"]
    for synset in sorted(names):
        yield [synset, *("x" if synset in each else "" for each in members.values()), names[synset]]


def checkpoint_names(architecture: str) -> list[str]:
    """Returns all names ARCHITECTURE.TAG of timm's for one of our classes."""
    modules, _ = TIMM_CLASSES[architecture]
    return [name for module in modules for name in timm.list_models(module=module, pretrained=True)]


def build(name: str, timm_class: type, **arguments: Any) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Returns timm's model on the meta device, and the arguments that its class was called with."""
    original = timm_class.__init__
    calls = []

    @functools.wraps(original)
    def record(*args: Any, **kwargs: Any) -> None:
        calls.append(inspect.signature(original).bind(*args, **kwargs).arguments)
        original(*args, **kwargs)

    with mock.patch.object(timm_class, "__init__", record), torch.device("meta"):
        model = timm.create_model(name, **arguments)
    return model, _unpacked(calls[0])


def count_parameters(model: torch.nn.Module) -> int:
    """Returns timm's own count."""
    return sum(parameter.numel() for parameter in model.parameters())


def read_accuracy(path: Path) -> dict[str, dict[str, str]]:
    """Returns top1 and top5 by name of checkpoint."""
    rows = read_rows(path)
    return {row.get("name") or row["model"]: {"top1": row["top1"], "top5": row["top5"]} for row in rows}


def read_rows(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file with a line of titles."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Writes rows of equal keys."""
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _architecture_row(name: str, timm_class: type) -> dict[str, str]:
    model, arguments = build(name, timm_class, num_classes=0)
    defaults = {key: each.default for key, each in inspect.signature(timm_class).parameters.items()}
    settings = {
        key: _describe(value)
        for key, value in arguments.items()
        if key not in LEFT_OUT and _describe(value) != _describe(defaults.get(key))
    }
    return {
        "architecture": name,
        "model": type(model).__name__,
        "parameters": str(count_parameters(model)),
        "image_size": "x".join(map(str, _image_size(model, name))),
        "settings": json.dumps(settings, sort_keys=True),
    }


def _unpacked(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments, with those that a class hands on among them."""
    return {**{key: value for key, value in arguments.items() if key != "kwargs"}, **arguments.get("kwargs", {})}


def _image_size(model: torch.nn.Module, name: str) -> tuple[int, ...]:
    """Returns what a model is built for; of one that takes any size, what it was trained with."""
    size = getattr(getattr(model, "patch_embed", None), "img_size", None)
    return tuple(size or timm.get_pretrained_cfg(name).input_size[1:])


def _describe(value: Any) -> Any:
    """Puts classes and modules into words: partial(LayerNorm, eps=1e-5) -> "LayerNorm(eps=1e-05)"."""
    if isinstance(value, functools.partial):
        arguments = ", ".join(f"{key}={_describe(each)}" for key, each in value.keywords.items())
        return f"{_describe(value.func)}({arguments})"
    if isinstance(value, torch.nn.Module):
        stages = getattr(value, "stages", None)
        # A backbone: the blocks of its stages, or what it is made of.
        parts = (
            [name for name, _ in value.named_children()] if stages is None else [len(each.blocks) for each in stages]
        )
        return f"{type(value).__name__}({', '.join(map(str, parts))})"
    return value.__name__ if isinstance(value, type) else value


if __name__ == "__main__":
    main()
