"""Model cards: the README.md of a preset folder, written from facts alone."""

import json
from collections.abc import Mapping
from typing import Any

from keras_vit.hub.card_metadata import front_matter
from keras_vit.hub.card_record import CardRecord

_MAX_LABELS = 20  # more are counted, not listed; config.json has them all

# How the card calls a setting; others appear under their own name.
_TITLES = {
    "patch_size": "Patch size",
    "embed_dim": "Length of a token",
    "depth": "Encoder layers",
    "num_heads": "Attention heads",
    "image_size": "Image size",
    "num_channels": "Channels",
    "crop_fraction": "Crop fraction",
    "crop_mode": "Crop mode",
    "mean": "Mean (of pixels scaled to 0..1)",
    "std": "Standard deviation (likewise)",
    "dataset": "Data set",
    "num_images": "Number of images",
}
_ARCHITECTURE = ("patch_size", "embed_dim", "depth", "num_heads", "pooling")  # config fields that a reader asks for


def build_card(record: CardRecord) -> str:
    """Returns the text of a README.md: metadata for the Hub, then what a reader needs to use and judge the model."""
    sections = [
        f"# {_one_line(record.name)}",
        _summary(record),
        _section("Details", _table(_details(record))),
        _section("Usage", _usage(record)),
        _section("Preprocessing", _preprocessing(record)),
        _section("Training", _training(record.provenance.get("training") or {})),
        _section("Evaluation", _evaluation(record.provenance.get("evaluation") or {})),
        _section("Licence", _licence(record.provenance)),
    ]
    return f"{front_matter(record)}\n" + "\n\n".join(section for section in sections if section) + "\n"


def _summary(record: CardRecord) -> str:
    what = "turns images into features; it has no classification head"
    if record.num_classes:
        what = f"classifies images into {record.num_classes:,} class{'es' if record.num_classes > 1 else ''}"
    dataset = (record.provenance.get("training") or {}).get("dataset")
    trained = f" It was trained on `{_one_line(dataset)}`." if dataset else ""
    return (
        f"A Vision Transformer (`keras_vit.{record.class_name}`) that {what}.{trained} "
        "It runs in Keras 3 on TensorFlow, JAX and PyTorch."
    )


def _details(record: CardRecord) -> list[tuple[str, str]]:
    source = record.provenance.get("source") or {}
    labels = record.labels or ()
    listed = ", ".join(labels[:_MAX_LABELS])
    colour = {1: "1 (grey)", 3: "3 (RGB)"}.get(record.in_channels, str(record.in_channels))
    keras = f", Keras {record.keras_version}" if record.keras_version else ""
    config = {name: record.config[name] for name in _ARCHITECTURE if record.config.get(name) is not None}
    return [
        ("Parameters", f"{record.parameters:,}"),
        ("Image size", "any" if record.image_size is None else f"{_format('image_size', record.image_size)} pixels"),
        ("Channels", colour),
        *_rows(config),
        ("Number of classes", f"{record.num_classes:,}" if record.num_classes else "none: the model returns features"),
        ("Classes", f"{listed}, ... (all in config.json)" if len(labels) > _MAX_LABELS else listed),
        *((f"Source: {title}", text) for title, text in _rows(source)),
        ("Written by", f"keras_vit {record.version}{keras}"),
    ]


def _usage(record: CardRecord) -> str:
    name = json.dumps(record.usage_name or record.name, ensure_ascii=False)
    lines = ["import keras_vit", "", f"model = keras_vit.from_preset({name})"]
    if record.num_classes:
        lines += [
            'for label, probability in model.classify("image.png", top=5):  # a path, a PIL image or an array',
            '    print(f"{label}: {probability:.3f}")',
        ]
    else:
        lines += [
            'features = model.predict(model.preprocessing("image.png"))  # a path, a PIL image or an array',
            "print(features.shape)",
        ]
    tuning = f"model = keras_vit.from_preset({name}, num_classes=3)  # the same weights under a new head"
    return (
        f"{_code('python', *lines)}\n\nTo train it on three classes of your own:\n\n"
        f"{_code('python', 'import keras_vit', '', tuning)}"
    )


def _preprocessing(record: CardRecord) -> str:
    settings = dict(record.preprocessing)
    if not settings:
        return ""
    if settings.get("interpolation") not in (None, "nearest"):
        settings["interpolation"] = f"{settings['interpolation']}, antialiased"
    return f"`model.preprocessing` does it; `classify` and `keras_vit.data.load` use it.\n\n{_table(_rows(settings))}"


def _training(training: Mapping[str, Any]) -> str:
    settings = {name: value for name, value in training.items() if name != "command"}
    command = training.get("command")
    reproduce = f"To reproduce it:\n\n{_code('bash', str(command))}" if command else ""
    return "\n\n".join(part for part in (_table(_rows(settings)), reproduce) if part)


def _evaluation(evaluation: Mapping[str, Any]) -> str:
    accuracy, num_images = evaluation.get("accuracy"), evaluation.get("num_images")
    settings = {name: value for name, value in evaluation.items() if name != "accuracy"}
    rows = _rows(settings)
    if accuracy is not None:
        counts = f" ({round(accuracy * num_images):,} of {num_images:,} images)" if num_images else ""
        rows.insert(0, ("Accuracy", f"{100 * accuracy:.2f} %{counts}"))
    return f"Measured with keras_vit, not copied from elsewhere.\n\n{_table(rows)}" if rows else ""


def _licence(provenance: Mapping[str, Any]) -> str:
    licence = provenance.get("license")
    if not licence:
        return ""
    name = provenance.get("license_name") or licence
    text = provenance.get("license_link") or "the file LICENSE"
    return f"The weights are under the licence `{_one_line(name)}`; see {text}."


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _code(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _table(rows: list[tuple[str, str]]) -> str:
    lines = [f"| {_one_line(title)} | {_one_line(text)} |" for title, text in rows if text]
    return "\n".join(["| | |", "|---|---|", *lines]) if lines else ""


def _rows(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """One row a setting; groups of settings are flattened to "group.setting"."""
    rows = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{name}.")
        elif value is not None:
            title = _TITLES.get(name) or name.replace("_", " ").capitalize()
            rows.append((prefix + name if prefix else title, _format(name, value)))
    return rows


def _format(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return (" x " if name.endswith("_size") else ", ").join(_format("", item) for item in value)
    return str(value)


def _one_line(text: Any) -> str:
    """Text that cannot leave its table cell or heading."""
    return " ".join(str(text).split()).replace("|", "\\|")
