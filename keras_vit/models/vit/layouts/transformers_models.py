"""transformers' classes of ViTs: which family each belongs to, and what it makes of the tokens."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Model(NamedTuple):
    """A class of transformers: what config.json says of it beyond sizes.

    Args:
        head: "none", "classifier" (logits), "teacher" (DeiT's two classifiers) or "projection" (CLIP's embeddings).
        family: "vit", "deit", "dinov2", "clip" or "siglip": those of one family name and order their weights alike.
        prefix: Of the names of a base model's weights, where it is part of another model.
    """

    head: str
    family: str
    prefix: str


FAMILIES = {
    "vit": ("vit", "vit."),
    "deit": ("deit", "deit."),
    "vit_mae": ("vit", "vit."),
    "vit_msn": ("vit", "vit."),
    "dinov2": ("dinov2", "dinov2."),
    "dinov2_with_registers": ("dinov2", "dinov2_with_registers."),
    **dict.fromkeys(("clip", "clip_vision_model"), ("clip", "vision_model.")),
    **dict.fromkeys(("siglip", "siglip_vision_model"), ("siglip", "vision_model.")),
}
# The image processor that is meant where preprocessor_config.json names none.
USUAL_PROCESSORS = {
    **dict.fromkeys(("vit", "vit_mae", "vit_msn"), "ViT"),
    "deit": "DeiT",
    **dict.fromkeys(("dinov2", "dinov2_with_registers"), "Bit"),
    **dict.fromkeys(("clip", "clip_vision_model"), "CLIP"),
    **dict.fromkeys(("siglip", "siglip_vision_model"), "Siglip"),
}
HEADS = {
    "ViTForImageClassification": "classifier",
    "ViTForMaskedImageModeling": "none",
    "ViTModel": "none",
    "DeiTForImageClassification": "classifier",
    "DeiTForImageClassificationWithTeacher": "teacher",
    "DeiTForMaskedImageModeling": "none",
    "DeiTModel": "none",
    "ViTMAEForPreTraining": "none",
    "ViTMAEModel": "none",
    "ViTMSNForImageClassification": "classifier",
    "ViTMSNModel": "none",
    "Dinov2ForImageClassification": "classifier",
    "Dinov2Backbone": "none",
    "Dinov2Model": "none",
    "Dinov2WithRegistersForImageClassification": "classifier",
    "Dinov2WithRegistersBackbone": "none",
    "Dinov2WithRegistersModel": "none",
    "CLIPForImageClassification": "classifier",
    "CLIPModel": "projection",
    "CLIPVisionModel": "none",
    "CLIPVisionModelWithProjection": "projection",
    "SiglipForImageClassification": "classifier",
    "SiglipModel": "none",
    "SiglipVisionModel": "none",
}


def model_of(settings: Mapping[str, Any]) -> Model:
    """Returns what the class that config.json names is made of.

    Raises:
        ValueError: It names a class that is not known.
    """
    classes = settings.get("architectures")
    if not classes:  # files written by hand; a classifier is said by its labels then
        head = "classifier" if "id2label" in settings or "num_labels" in settings else "none"
        return Model(head, *FAMILIES[settings["model_type"]])
    name = classes[0] if isinstance(classes, list) else classes
    if not isinstance(name, str) or name not in HEADS:
        raise ValueError(
            f"config.json needs architectures to name a class of transformers that keras_vit knows; got {name!r}. "
            f"Known are {', '.join(HEADS)}."
        )
    return Model(HEADS[name], *FAMILIES[settings["model_type"]])
