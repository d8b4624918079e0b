"""The papers that published Swin Transformers come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper
from keras_vit.models.papers import find_papers


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: Swin's own, and that of its family."""
    return find_papers(name, _FAMILIES, always=("swin",))


# What a name contains -> keys of papers.
_FAMILIES = (
    ("swin_s3_", "s3"),
    ("simmim", "simmim"),
)
