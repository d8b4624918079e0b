"""The papers that published models with rotary positions come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper
from keras_vit.models.papers import find_papers


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint; EVA-02's for a name that tells of no other."""
    return find_papers(name, _FAMILIES, usual=("eva02",))


# What a name contains -> keys of papers.
_FAMILIES = (
    (r"^eva_", "eva"),
    (r"^eva02_", "eva02"),
    (r"^eva.*_clip_", "evaclip"),
    (r"^eva_.*\.clip_ft", "evaclip"),
    (r"dinov3", "dinov3"),
    (r"_pe_(core|lang|spatial)_", "pe"),
    (r"_rope_", "rope"),
    (r"_lingbot", "dinov3", "lingbot"),
    (r"sapiens2", "sapiens2"),
)
