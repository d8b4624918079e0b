"""The facts of a model's card: what its config, weights, provenance and the catalogue know."""

import re
from importlib.metadata import version
from typing import Any

import keras

from keras_vit import hub
from keras_vit.models import catalogue

# Parts of checkpoints' names, as timm gives them -> ids of data sets, as the Hub and the cards of timm write them.
_DATASETS = {
    "in1k": "imagenet-1k",
    "in12k": "imagenet-12k",
    "in21k": "imagenet-21k",
    "in22k": "imagenet-22k",
    "laion2b": "laion-2b",
    "laion400m": "laion-400m",
    "webli": "webli",
}


def collect(model: Any, name: str, *, provenance: dict[str, Any] | None = None, **folder: Any) -> hub.CardRecord:
    """Returns the record that a model's card is written from.

    Args:
        model: A model of this package.
        name: Title of the card.
        provenance: What is said of the weights; None takes the model's.
        folder: Fields of `CardRecord` about the files beside the card.
    """
    provenance = model.provenance if provenance is None else provenance
    source = (provenance.get("source") or {}).get("repo_id") or ""
    image_size = model.config.image_size or model.preprocessing.image_size
    return hub.CardRecord(
        name=name,
        class_name=type(model).__name__,
        parameters=model.count_params(),
        macs=model.count_macs(model.config, image_size),
        image_size=model.config.image_size,
        in_channels=model.config.in_channels,
        num_classes=model.config.num_classes,
        labels=model.labels,
        preprocessing=model.preprocessing.to_dict(),
        config=model.config.to_dict(),
        provenance=provenance,
        version=version("keras3-vit"),
        keras_version=keras.__version__,
        papers=model.papers(source),
        datasets=_datasets(source, provenance.get("training") or {}),
        reported=_reported(source, provenance, image_size),
        **folder,
    )


def _datasets(source: str, training: dict[str, Any]) -> list[str]:
    """Returns the ids of data sets that are public: a folder's name could be that of somebody else's on the Hub."""
    parts = re.split(r"[._-]", source.lower())
    found = [dataset for part, dataset in _DATASETS.items() if part in parts] if source.startswith("timm/") else []
    own = str(training.get("dataset") or "")
    if own == "digits" or own.startswith("tfds:"):
        found.append(own.removeprefix("tfds:"))
    return list(dict.fromkeys(found))


def _reported(source: str, provenance: dict[str, Any], image_size: tuple[int, int]) -> dict[str, Any]:
    """Returns what the catalogue says of the very same weights at the same image size."""
    if not source or provenance.get("changes") or provenance.get("training"):
        return {}
    entries = [entry for entry in catalogue.list_presets() if entry.hub_id == source and not entry.alias_of]
    # Some repositories hold the weights of two entries, with and without quick GELU.
    entry = next((each for each in entries if source == f"timm/{each.name}"), entries[0] if len(entries) == 1 else None)
    if entry is None or entry.reported_top1 is None or entry.image_size != image_size:
        return {}
    return {"top1": entry.reported_top1, "top5": entry.reported_top5, "source": entry.reported_source}
