"""The examples of a card: the same model in keras_vit, Keras, timm and transformers, as code that runs as printed."""

import json
from typing import Any

from keras_vit.hub.card_record import CardRecord
from keras_vit.hub.card_text import REPOSITORY, code

_PIL_MODES = {1: "L", 3: "RGB"}


def usage(record: CardRecord) -> str:
    """Returns the text of the section "Usage"."""
    if record.adapter:
        return "\n\n".join([_keras_vit(record), _onto_base(record), *_peft(record)])
    parts = [_keras_vit(record)]
    if record.has_keras_files:
        parts.append(_keras(record))
    if record.in_channels in _PIL_MODES:
        if record.layout == "timm":
            parts.append(_timm(record))
        if record.layout == "timm" or (record.layout == "transformers" and record.num_classes):
            parts.append(_transformers(record))
    return "\n\n".join(parts)


def _keras_vit(record: CardRecord) -> str:
    name = _quote(record.repo_id or record.name)
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
        f"{code('python', *lines)}\n\nTo train it on three classes of your own:\n\n"
        f"{code('python', 'import keras_vit', '', tuning)}"
    )


def _onto_base(record: CardRecord) -> str:
    lines = [
        "import keras_vit",
        "",
        f"model = keras_vit.from_preset({_quote(record.adapter['base'])}{_classes(record)})",
        f"model.load_adapter({_quote(record.repo_id or record.name)})",
    ]
    return f"That loads the base too. Onto a base that is loaded already:\n\n{code('python', *lines)}"


def _peft(record: CardRecord) -> list[str]:
    if record.layout != "timm":
        return []
    base, name = record.adapter["base"], record.repo_id or record.name
    place = f"hf-hub:{base}" if REPOSITORY.fullmatch(base) else f"local-dir:{base}"
    lines = [
        "import timm",
        "from peft import PeftModel",
        "",
        f"base = timm.create_model({_quote(place)}, pretrained=True{_classes(record)})",
        f"model = PeftModel.from_pretrained(base, {_quote(name)}).eval()",
    ]
    return [f"In timm, with PEFT:\n\n{code('python', *lines)}"]


def _classes(record: CardRecord) -> str:
    return f", num_classes={record.num_classes}" if record.num_classes else ""


def _keras(record: CardRecord) -> str:
    name = f"hf://{record.repo_id}" if record.repo_id else record.name
    lines = [
        "import keras",
        "import keras_vit  # Keras finds the model's class through it",
        "",
        f"model = keras.saving.load_model({_quote(name)})",
        f'{_result(record)} = model.predict(model.preprocessing("image.png"))',
    ]
    return f"In Keras:\n\n{code('python', *lines)}"


def _timm(record: CardRecord) -> str:
    name = f"hf-hub:{record.repo_id}" if record.repo_id else f"local-dir:{record.name}"
    lines = [
        "import timm",
        "from PIL import Image",
        "",
        f"model = timm.create_model({_quote(name)}, pretrained=True).eval()",
        "settings = timm.data.resolve_model_data_config(model)",
        "transform = timm.data.create_transform(**settings, is_training=False)",
        f'image = Image.open("image.png").convert("{_PIL_MODES[record.in_channels]}")',
        f"{_result(record)} = model(transform(image).unsqueeze(0))",
    ]
    return f"In timm:\n\n{code('python', *lines)}"


def _transformers(record: CardRecord) -> str:
    name = _quote(record.repo_id or record.name)
    model = "AutoModelForImageClassification" if record.num_classes else "AutoModel"
    output = "logits" if record.num_classes else "pooler_output"
    lines = [
        "from PIL import Image",
        f"from transformers import AutoImageProcessor, {model}",
        "",
        f"processor = AutoImageProcessor.from_pretrained({name})",
        f"model = {model}.from_pretrained({name}).eval()",
        f'image = Image.open("image.png").convert("{_PIL_MODES[record.in_channels]}")',
        f'{_result(record)} = model(**processor(image, return_tensors="pt")).{output}',
    ]
    needs = ", with timm installed" if record.layout == "timm" else ""
    return f"In transformers{needs}:\n\n{code('python', *lines)}"


def _result(record: CardRecord) -> str:
    return "logits" if record.num_classes else "features"


def _quote(name: Any) -> str:
    return json.dumps(name, ensure_ascii=False)
