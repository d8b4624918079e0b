"""The papers that published pyramid transformers come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper
from keras_vit.models.papers import find_papers


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: that of its family, or of PVT v2 where the name tells of none."""
    return find_papers(name, _FAMILIES, usual=("pvtv2",))


# What a name contains -> keys of papers.
_FAMILIES = (("^mit[_-]|segformer", "segformer"),)
