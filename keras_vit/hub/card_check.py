"""Checks of a preset folder's card, without network: what the Hub would refuse, and what is not true."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_vit.hub.card_text import REPOSITORY
from keras_vit.hub.folder import KERAS_FILES, is_adapter, read_settings
from keras_vit.hub.licences import HUB_LICENCES, card_licence

_REQUIRED = ("license", "library_name", "pipeline_tag", "tags")
_TAGS = ("vision-transformer", "computer-vision")
_TASKS = ("image-classification", "image-feature-extraction")
_RELATIONS = ("finetune", "adapter", "quantized", "merge")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def check_card(folder: str | os.PathLike[str]) -> list[str]:
    """Returns what is wrong with the card of a preset folder, one sentence each; empty where all is well.

    The card is compared with config.json, which holds what is known of the model, and with the files beside it.

    Raises:
        FileNotFoundError: There is no such folder, or it has no config.json.
        ValueError: config.json cannot be read.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    card = folder / "README.md"
    if not card.is_file():
        return ["README.md is missing; save the model again."]
    try:
        text = card.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return ["README.md needs to be UTF-8 text."]
    metadata = _read_metadata(card)
    if isinstance(metadata, str):
        return [metadata]
    section = settings.get("keras_vit")
    provenance = section.get("provenance") if isinstance(section, dict) else None
    provenance = provenance if isinstance(provenance, dict) else {}
    missing = [name for name in _REQUIRED if not metadata.get(name)]
    return [
        *(f"The metadata need {name}; the card has none." for name in missing),
        *_check_licence(metadata, provenance, folder),
        *_check_kind(metadata, folder),
        *_check_source(metadata, provenance),
        *(_check_adapter(metadata) if is_adapter(folder) else ()),
        *_check_results(metadata, provenance),
        *_check_links(text, folder),
    ]


def _read_metadata(card: Path) -> dict[str, Any] | str:
    """Returns the metadata, or what is wrong with them as a whole."""
    from huggingface_hub.repocard import metadata_load

    try:
        metadata = metadata_load(card)
    except ValueError:
        return "The metadata need to be a YAML mapping."
    except Exception as error:  # of the YAML reader, which belongs to the client
        return f"The metadata need to be YAML; {' '.join(str(error).split())}."
    return metadata or "README.md needs metadata: YAML between two lines of ---, at its very top."


def _check_licence(metadata: Mapping[str, Any], provenance: Mapping[str, Any], folder: Path) -> list[str]:
    problems = []
    licence = metadata.get("license")
    if licence and (not isinstance(licence, str) or licence not in HUB_LICENCES):
        problems.append(f"license needs to be a name that the Hub knows, or other; got {licence!r}.")
    if licence == "other":
        absent = [name for name in ("license_name", "license_link") if not metadata.get(name)]
        problems += [f"license: other needs {name} beside it; the card has none." for name in absent]
    known = card_licence(provenance)
    if licence and known and licence != known["license"]:
        problems.append(f"license needs to be that of the weights, {known['license']!r}; got {licence!r}.")
    text = folder / "LICENSE"
    if not text.is_file() or not text.stat().st_size:
        problems.append("LICENSE is missing or empty; save the model again.")
    return problems


def _check_kind(metadata: Mapping[str, Any], folder: Path) -> list[str]:
    problems = []
    library, task, tags = (metadata.get(name) for name in ("library_name", "pipeline_tag", "tags"))
    if library and library not in ("keras", "keras_vit"):
        problems.append(f"library_name needs to be keras or keras_vit; got {library!r}.")
    absent = [name for name in KERAS_FILES if not (folder / name).is_file()]
    if library == "keras" and absent:
        problems.append(
            f"library_name: keras promises that Keras loads the repository; {' and '.join(absent)} are missing. "
            "Save with keras_files=True, or write library_name: keras_vit."
        )
    if task and task not in _TASKS:
        problems.append(f"pipeline_tag needs to be {' or '.join(_TASKS)}; got {task!r}.")
    if tags and not isinstance(tags, list):
        problems.append(f"tags need to be a list; got {tags!r}.")
    elif tags:
        problems += [f"tags need {tag}; the card has none." for tag in _TAGS if tag not in tags]
    return problems


def _check_source(metadata: Mapping[str, Any], provenance: Mapping[str, Any]) -> list[str]:
    problems = []
    base, relation = metadata.get("base_model"), metadata.get("base_model_relation")
    source = (provenance.get("source") or {}).get("repo_id")
    if base is not None and not (isinstance(base, str) and REPOSITORY.fullmatch(base)):
        problems.append(f'base_model needs to be a repository, "owner/name"; got {base!r}.')
    if source and base != source:
        problems.append(f"base_model needs to be the source of the weights, {source!r}; got {base!r}.")
    if relation is not None and relation not in _RELATIONS:
        problems.append(f"base_model_relation needs to be one of {', '.join(_RELATIONS)}; got {relation!r}.")
    datasets = metadata.get("datasets")
    if datasets is not None and not (isinstance(datasets, list) and all(isinstance(name, str) for name in datasets)):
        problems.append(f"datasets need to be a list of names; got {datasets!r}.")
    return problems


def _check_adapter(metadata: Mapping[str, Any]) -> list[str]:
    needed = {"base_model": metadata.get("base_model"), "base_model_relation": "adapter"}
    absent = [name for name, value in needed.items() if not value or metadata.get(name) != value]
    return [
        f"The metadata of an adapter need its base_model, and base_model_relation: adapter; {name} is not so."
        for name in absent
    ]


def _check_results(metadata: Mapping[str, Any], provenance: Mapping[str, Any]) -> list[str]:
    """Only what was measured may stand in the metadata, and as it was measured."""
    index = metadata.get("model-index")
    if index is None:
        return []
    try:
        metrics = [metric for model in index for result in model["results"] for metric in result["metrics"]]
        found = [(str(metric["type"]), metric["value"]) for metric in metrics]
    except (KeyError, TypeError):
        return ["model-index needs a list of models with results, each with metrics of type and value."]
    problems = []
    measured = (provenance.get("evaluation") or {}).get("accuracy")
    for name, value in found:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            problems.append(f"model-index needs finite numbers; got {name}: {value!r}.")
        elif measured is None or name != "accuracy" or not math.isclose(value, measured, abs_tol=1e-9):
            known = "nothing was measured" if measured is None else f"accuracy: {measured} was measured"
            problems.append(f"model-index needs what was measured; got {name}: {value!r}, but {known}.")
    return problems


def _check_links(text: str, folder: Path) -> list[str]:
    """Links to files need files; those with a scheme lead elsewhere, and are not followed."""
    targets = [target.split("#")[0] for target in _LINK.findall(text)]
    files = dict.fromkeys(target for target in targets if target and not re.match(r"[a-z][a-z0-9+.-]*:", target, re.I))
    return [f"The card links to {name}, which is not in the folder." for name in files if not _is_inside(folder, name)]


def _is_inside(folder: Path, name: str) -> bool:
    path = (folder / name).resolve()
    return path.is_relative_to(folder.resolve()) and path.is_file()
