"""The papers that published Vision Transformers come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper
from keras_vit.models.papers import find_papers


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: the architecture's own, and those of its family and training."""
    return find_papers(name, _FAMILIES, always=("vit",))


# What a name contains -> keys of papers.
_FAMILIES = (
    (r"augreg", "augreg"),
    (r"\.sam_", "sam"),
    (r"^deit[_-]", "deit"),
    (r"^deit3", "deit3"),
    (r"^flexivit", "flexivit"),
    (r"dino(?!v)", "dino"),
    (r"dinov2", "dinov2"),
    (r"dinov2.*regist|_reg\d", "registers"),
    (r"[.-]mae\b", "mae"),
    (r"ijepa", "ijepa"),
    (r"aimv2", "aimv2"),
    (r"beit3", "beit3"),
    (r"^eva_", "eva"),
    (r"clip(?!.*siglip)", "clip"),
    (r"laion", "openclip"),
    (r"metaclip(?!2)", "metaclip"),
    (r"metaclip2", "metaclip2"),
    (r"\.dfn", "dfn"),
    (r"datacomp", "datacomp"),
    (r"tinyclip", "tinyclip"),
    (r"siglip", "siglip"),
    (r"siglip2|v2_webli", "siglip2"),
    (r"so400m|so150m", "shape"),
    (r"\.pali_", "paligemma"),
    (r"\.pali2_", "paligemma2"),
    (r"radio", "radio"),
    (r"intern300m", "internvl"),
    (r"miil", "miil"),
    (r"bamboo", "bamboo"),
)
