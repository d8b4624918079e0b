"""The record of a small model, and what tests read out of its card."""

import re
from typing import Any

import pytest

from keras_vit.hub import CardRecord

EVALUATION = {"dataset": "digits", "split": "test", "num_images": 360, "accuracy": 0.988889, "date": "2026-01-02"}


def make_record(**changes: Any) -> CardRecord:
    """A record with facts of every kind but papers and reported figures."""
    facts: dict[str, Any] = {
        "name": "vit_digits",
        "class_name": "ViT",
        "parameters": 203_018,
        "image_size": (8, 8),
        "in_channels": 1,
        "num_classes": 10,
        "version": "0.1.0",
        "labels": tuple("0123456789"),
        "preprocessing": {"image_size": [8, 8], "num_channels": 1, "interpolation": "bicubic", "mean": [0.5]},
        "config": {"patch_size": [2, 2], "embed_dim": 64, "depth": 6, "num_heads": 4, "dropout_rate": 0.0},
        "provenance": {
            "license": "mit",
            "training": {"dataset": "digits", "learning_rate": 0.002, "use_augmentation": True, "clip": None},
            "evaluation": EVALUATION,
        },
    }
    return CardRecord(**{**facts, **changes})


def metadata_of(card: str) -> dict[str, Any]:
    """The metadata as the Hub reads them."""
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(card.split("---\n")[1])


def code_of(card: str) -> list[str]:
    """The examples."""
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)
