"""The presets of PyramidViT: timm's published checkpoints, and the short names for them."""

from pathlib import Path

from keras_vit.models.catalogue import Preset
from keras_vit.models.timm_tables import TimmTables

# pvt_v2_SIZE, timm's name of the architecture -> its only checkpoint.
SHORT_NAMES = {
    "pvt_v2_b0": "pvt_v2_b0.in1k",
    "pvt_v2_b1": "pvt_v2_b1.in1k",
    "pvt_v2_b2": "pvt_v2_b2.in1k",
    "pvt_v2_b2_li": "pvt_v2_b2_li.in1k",
    "pvt_v2_b3": "pvt_v2_b3.in1k",
    "pvt_v2_b4": "pvt_v2_b4.in1k",
    "pvt_v2_b5": "pvt_v2_b5.in1k",
}

TABLES = TimmTables(architecture="PyramidViT", folder=Path(__file__).parent, short_names=SHORT_NAMES)


def presets() -> tuple[Preset, ...]:
    """Returns all presets of PyramidViT: timm's checkpoints by full name, and again by short name."""
    return TABLES.presets
