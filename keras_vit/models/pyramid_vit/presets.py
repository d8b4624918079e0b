"""The presets of PyramidViT: timm's checkpoints of PVT v2 with their short names, and NVIDIA's of MiT."""

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

# SegFormer's encoders, which timm has not: size -> depths, parameters, ImageNet-1k top-1 that the paper reports.
_MIT = {
    "b0": ((2, 2, 2, 2), 3_576_392, 70.5),
    "b1": ((2, 2, 2, 2), 13_664_424, 78.7),
    "b2": ((3, 4, 6, 3), 24_709_288, 81.6),
    "b3": ((3, 4, 18, 3), 44_585_128, 83.1),
    "b4": ((3, 8, 27, 3), 61_355_688, 83.6),
    "b5": ((3, 6, 40, 3), 81_956_008, 83.8),
}
# The main branches hold the weights only in files that can run code; a bot of the Hub proposed the same as safetensors.
# Commits of these proposals as far as they are known, else the proposal by its number, which is 2 in all that are.
_MIT_REVISIONS = {
    "b0": "25ce79d97e6d9d509ed12e17cb2eb89b0a83a2dc",
    "b1": "44575a0572f5374ed1e5b4e46ec8276222f6ffe8",
    "b2": "refs/pr/2",
    "b3": "4c2f314b6a213100cb822264a737f39d1ce062b8",
    "b4": "refs/pr/2",
    "b5": "8c15ac959fdc3130572f9320d6955cef46046a72",
}
_MIT_SIDE = 224  # pixels; the processor in the repositories makes the 512 that segmentation starts from


def presets() -> tuple[Preset, ...]:
    """Returns all presets of PyramidViT: timm's checkpoints by full name, and again by short name; MiT's."""
    return (*TABLES.presets, *(_mit(size) for size in _MIT))


def _mit(size: str) -> Preset:
    depths, parameters, top1 = _MIT[size]
    return Preset(
        name=f"mit_{size}",
        description="imagenet-1k classifier, the encoder that SegFormer starts from",
        architecture="PyramidViT",
        parameters=parameters,
        image_size=(_MIT_SIDE, _MIT_SIDE),
        num_classes=1000,
        labels="imagenet-1k",
        license="nvidia-segformer-license",
        reported_top1=top1,
        reported_source="Xie et al., SegFormer, 2021, arXiv 2105.15203",
        repository_settings={
            "model_type": "segformer",
            "architectures": ["SegformerForImageClassification"],
            "depths": list(depths),
            "hidden_sizes": [32, 64, 160, 256] if size == "b0" else [64, 128, 320, 512],
            "num_labels": 1000,
            "preprocessor": {"size": _MIT_SIDE},
        },
        hub_id=f"nvidia/mit-{size}",
        revision=_MIT_REVISIONS[size],
    )
