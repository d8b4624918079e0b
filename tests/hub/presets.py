"""The smallest folder that passes for a preset: enough to be uploaded, not to be built."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

CARD = """\
---
license: LICENCE
library_name: keras_vit
pipeline_tag: image-classification
tags: [vision-transformer, computer-vision]
---

# vit
"""


def write_preset(
    folder: Path, value: float = 1.0, *, provenance: dict[str, Any] | None = None, **settings: Any
) -> Path:
    """Writes a folder whose weights are one number."""
    provenance = {"license": "mit"} if provenance is None else provenance
    section = {"class": "ViT", "provenance": provenance}
    card = CARD.replace("LICENCE", provenance.get("license", "unknown"))
    if "source" in provenance:
        card = card.replace("tags:", f"base_model: {provenance['source']['repo_id']}\ntags:")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"keras_vit": section, **settings}))
    safetensors.numpy.save_file({"weight": np.full(3, value, "float32")}, folder / "model.safetensors")
    (folder / "README.md").write_text(card)
    (folder / "LICENSE").write_text("the text of the licence")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Returns the files of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
