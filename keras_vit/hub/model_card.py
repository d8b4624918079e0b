"""Model cards: the README.md of a preset folder, written from facts alone."""

from collections.abc import Mapping
from typing import Any

from keras_vit.hub.card_metadata import front_matter
from keras_vit.hub.card_record import CardRecord
from keras_vit.hub.card_text import (
    REPOSITORY,
    code,
    format_count,
    format_value,
    one_line,
    repository_link,
    section,
    settings_rows,
    table,
)
from keras_vit.hub.card_usage import usage
from keras_vit.hub.licence_file import describe_changes
from keras_vit.hub.licences import is_non_commercial, licence_link, licence_title

_MAX_LABELS = 20  # more are counted, not listed; config.json has them all
_ARCHITECTURE = ("patch_size", "embed_dim", "depth", "num_heads", "pooling")  # config fields that a reader asks for


def build_card(record: CardRecord) -> str:
    """Returns the text of a README.md: metadata for the Hub, then what a reader needs to use and judge the model."""
    sections = [
        f"# {one_line(record.name)}",
        _summary(record),
        section("Details", table(_details(record))),
        section("Usage", usage(record)),
        section("Preprocessing", _preprocessing(record)),
        section("Training", _training(record)),
        section("Evaluation", _evaluation(record)),
        section("Conversion" if record.provenance.get("conversion") else "Verification", _conversion(record)),
        section("Limits", _limits(record)),
        section("Licence", _licence(record.provenance)),
        section("Citation", _citation(record)),
    ]
    return f"{front_matter(record)}\n" + "\n\n".join(text for text in sections if text) + "\n"


def _summary(record: CardRecord) -> str:
    what = "turns images into features; it has no classification head"
    if record.num_classes:
        what = f"classifies images into {record.num_classes:,} class{'es' if record.num_classes > 1 else ''}"
    source = record.provenance.get("source") or {}
    dataset = (record.provenance.get("training") or {}).get("dataset")
    origin = ""
    if source.get("repo_id"):
        origin = f" Its weights come from {repository_link(source['repo_id'])}."
    if dataset:
        origin += f" It was trained on `{one_line(dataset)}`."
    return (
        f"{_kind(record)} (`keras_vit.{record.class_name}`) that {what}.{origin} "
        "It runs in Keras 3 on TensorFlow, JAX and PyTorch."
    )


def _kind(record: CardRecord) -> str:
    return (
        "An adapter (LoRA): with its base, it makes a Vision Transformer" if record.adapter else "A Vision Transformer"
    )


def _adapter(record: CardRecord) -> list[tuple[str, str]]:
    adapter = record.adapter
    if not adapter:
        return []
    modules = ", ".join(f"`{one_line(module)}`" for module in adapter["modules"])
    return [
        (
            "Base",
            repository_link(adapter["base"]) if REPOSITORY.fullmatch(adapter["base"]) else one_line(adapter["base"]),
        ),
        ("LoRA", f"rank {adapter['rank']}, alpha {adapter['alpha']}, on {modules}; the head is trained as a whole"),
        ("Parameters of the adapter", f"{adapter['parameters']:,}"),
    ]


def _details(record: CardRecord) -> list[tuple[str, str]]:
    labels = record.labels or ()
    listed = ", ".join(labels[:_MAX_LABELS])
    colour = {1: "1 (grey)", 3: "3 (RGB)"}.get(record.in_channels, str(record.in_channels))
    keras = f", Keras {record.keras_version}" if record.keras_version else ""
    config = {name: record.config[name] for name in _ARCHITECTURE if record.config.get(name) is not None}
    papers = ", ".join(f"[{paper.title}](https://arxiv.org/abs/{paper.arxiv})" for paper in record.papers)
    return [
        *_adapter(record),
        ("Parameters", f"{record.parameters:,}"),
        ("Multiply-accumulates", f"{format_count(record.macs)} for an image" if record.macs else ""),
        (
            "Image size",
            "any" if record.image_size is None else f"{format_value('image_size', record.image_size)} pixels",
        ),
        ("Channels", colour),
        *settings_rows(config),
        ("Number of classes", f"{record.num_classes:,}" if record.num_classes else "none: the model returns features"),
        ("Classes", f"{listed}, ... (all in config.json)" if len(labels) > _MAX_LABELS else listed),
        *_source(record.provenance),
        ("Papers" if len(record.papers) > 1 else "Paper", papers),
        ("Written by", f"keras_vit {record.version}{keras}"),
    ]


def _source(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    source = dict(provenance.get("source") or {})
    if not source.get("repo_id"):
        return []
    link = repository_link(source.pop("repo_id"), source.pop("revision", None))
    more = [(f"Source: {title}", text) for title, text in settings_rows(source)]
    return [("Source of the weights", link), *more, ("Changes to the weights", describe_changes(provenance))]


def _preprocessing(record: CardRecord) -> str:
    settings = dict(record.preprocessing)
    if not settings:
        return ""
    if settings.get("interpolation") not in (None, "nearest"):
        settings["interpolation"] = f"{settings['interpolation']}, antialiased"
    how = "`model.preprocessing` does it; `classify` and `keras_vit.data.load` use it."
    return f"{how}\n\n{table(settings_rows(settings))}"


def _training(record: CardRecord) -> str:
    training = record.provenance.get("training") or {}
    settings = {name: value for name, value in training.items() if name != "command"}
    command = training.get("command")
    curves = f"![Loss and accuracy over the epochs]({record.curves_file})" if training and record.curves_file else ""
    reproduce = f"To reproduce it:\n\n{code('bash', one_line(command))}" if command else ""
    return "\n\n".join(part for part in (table(settings_rows(settings)), curves, reproduce) if part)


def _evaluation(record: CardRecord) -> str:
    evaluation = record.provenance.get("evaluation") or {}
    accuracy, num_images = evaluation.get("accuracy"), evaluation.get("num_images")
    settings = {name: value for name, value in evaluation.items() if name != "accuracy"}
    rows = settings_rows(settings)
    if accuracy is not None:
        counts = f" ({round(accuracy * num_images):,} of {num_images:,} images)" if num_images else ""
        rows.insert(0, ("Accuracy", f"{100 * accuracy:.2f} %{counts}"))
    measured = f"Measured with keras_vit, not copied from elsewhere.\n\n{table(rows)}" if rows else ""
    return "\n\n".join(part for part in (measured, _reported(record.reported)) if part)


def _reported(reported: Mapping[str, Any]) -> str:
    """Figures of others: with their source, and never among the metadata's results."""
    if reported.get("top1") is None:
        return ""
    top5 = reported.get("top5")
    rows = [
        ("ImageNet-1k top-1, reported", f"{reported['top1']} %"),
        ("ImageNet-1k top-5, reported", "" if top5 is None else f"{top5} %"),
    ]
    return f"Reported by {one_line(reported['source'])}; not measured with keras_vit.\n\n{table(rows)}"


def _conversion(record: CardRecord) -> str:
    provenance = record.provenance
    conversion, source = provenance.get("conversion") or {}, provenance.get("source") or {}
    parts = []
    if conversion.get("date") and conversion.get("version"):
        commit = f" at commit `{one_line(source['revision'])}`" if source.get("revision") else ""
        origin = f" from {repository_link(source['repo_id'])}{commit}" if source.get("repo_id") else ""
        parts.append(
            f"Converted on {one_line(conversion['date'])}{origin} with keras_vit {one_line(conversion['version'])}."
        )
    if record.tolerances:
        parts.append(
            "config.json records what every encoder layer and the whole model returned for one fixed input when these "
            "files were written; `model.verify()` compares with it. In float32 it allows differences of "
            f"{record.tolerances['float32']:g} of the root mean square."
        )
    return " ".join(parts)


def _limits(record: CardRecord) -> str:
    evaluation = record.provenance.get("evaluation") or {}
    dataset, num_images = evaluation.get("dataset"), evaluation.get("num_images")
    limits = []
    if record.num_classes > 1:
        limits.append(
            f"For every image it names some of its {record.num_classes:,} classes, also where the image shows none of "
            "them."
        )
    if record.image_size is not None:
        size = format_value("image_size", record.image_size)
        limits.append(f"It sees images at {size} pixels; what is too small to be seen at that size is lost.")
    if dataset and num_images:
        limits.append(f"Its accuracy is known for {num_images:,} images of `{one_line(dataset)}` and no others.")
    elif record.provenance.get("source") or record.num_classes:
        limits.append("Its accuracy has not been measured with keras_vit.")
    if is_non_commercial(record.provenance):
        limits.append("Its licence allows no commercial use, nor that of models made from its weights.")
    if any(dataset.startswith("imagenet") for dataset in record.datasets):
        limits.append("ImageNet's own terms, for research that is not commercial, may bear on weights trained on it.")
    return "\n".join(f"- {limit}" for limit in limits)


def _licence(provenance: Mapping[str, Any]) -> str:
    licence = provenance.get("license")
    if not licence:
        return ""
    link = provenance.get("license_link") or licence_link(str(licence).lower())
    more = f" and {one_line(link)}" if link and link != "LICENSE" else ""
    stated = f"The weights are under the licence `{one_line(licence_title(provenance))}`; see the file LICENSE{more}."
    if (provenance.get("source") or {}).get("repo_id"):
        changes = one_line(describe_changes(provenance))
        return f"{stated} It is the licence of their source. They have been changed: {changes}."
    return stated


def _citation(record: CardRecord) -> str:
    return code("bibtex", "\n\n".join(paper.bibtex for paper in record.papers)) if record.papers else ""
