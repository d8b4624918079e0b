"""The metadata of a model card: YAML that the Hub reads for search, licence and results."""

import json
import re
from collections.abc import Mapping
from typing import Any

from keras_vit.hub.card_record import CardRecord
from keras_vit.hub.licences import card_licence

FINE_TUNED = "fine-tuned"  # among a provenance's changes

_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # read as something else than text


def front_matter(record: CardRecord) -> str:
    """Returns the YAML block at the top of a card, which the Hub reads."""
    return "\n".join(["---", *_yaml_lines(_metadata(record)), "---", ""])


def _metadata(record: CardRecord) -> dict[str, Any]:
    task = "image-classification" if record.num_classes else "image-feature-extraction"
    provenance, source = record.provenance, record.provenance.get("source") or {}
    metadata: dict[str, Any] = dict(card_licence(provenance))
    # The Hub shows a library's own line of code beside the card: Keras' works where Keras' files are.
    metadata["library_name"] = "keras" if record.has_keras_files else "keras_vit"
    metadata["pipeline_tag"] = task
    tags = ["keras", "keras_vit", "vision-transformer", "computer-vision", task]
    metadata["tags"] = [*tags, "lora", "peft"] if record.adapter else tags
    if datasets := list(record.datasets):
        metadata["datasets"] = datasets
    if source.get("repo_id"):
        metadata["base_model"] = source["repo_id"]
        # A mere conversion is none of the relations that the Hub knows.
        if record.adapter:
            metadata["base_model_relation"] = "adapter"
        elif provenance.get("training") or FINE_TUNED in (provenance.get("changes") or ()):
            metadata["base_model_relation"] = "finetune"
    evaluation = provenance.get("evaluation") or {}
    if evaluation.get("dataset") and evaluation.get("accuracy") is not None:
        metadata["metrics"] = ["accuracy"]
        metadata["model-index"] = [{"name": record.name, "results": [_result(evaluation)]}]
    return metadata


def _result(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    dataset = {"type": evaluation["dataset"], "name": evaluation["dataset"], "split": evaluation.get("split")}
    if evaluation.get("num_images"):
        dataset["args"] = {"num_images": int(evaluation["num_images"])}
    return {
        "task": {"type": "image-classification"},
        "dataset": {key: value for key, value in dataset.items() if value},
        "metrics": [{"type": "accuracy", "name": "Accuracy", "value": float(evaluation["accuracy"])}],
    }


def _yaml_lines(value: Any, indent: str = "") -> list[str]:
    """YAML of dicts, lists, strings and numbers."""
    lines = []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                lines += [f"{indent}{key}:", *_yaml_lines(item, indent + "  ")]
            else:
                lines.append(f"{indent}{key}: {_yaml_scalar(item)}")
        return lines
    for item in value:
        first, *rest = _yaml_lines(item, indent + "  ") if isinstance(item, dict) else [indent + _yaml_scalar(item)]
        lines += [f"{indent}- {first.strip()}", *rest]
    return lines


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, float):
        return repr(value) if "e" not in repr(value) else f"{value:.12f}"  # YAML takes 1e-05 for a string
    if not isinstance(value, str):
        return str(value)
    if re.fullmatch(r"[A-Za-z][\w./-]*( [\w./-]+)*", value, re.ASCII) and value.lower() not in _YAML_WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
