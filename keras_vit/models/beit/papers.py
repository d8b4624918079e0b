"""The papers that published BEiTs come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper
from keras_vit.models.papers import find_papers


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: BEiT's own, and that of its family."""
    return find_papers(name, _FAMILIES, always=("beit",))


# What a name contains -> keys of papers.
_FAMILIES = (
    ("^beitv2", "beitv2"),
    ("^data2vec-vision", "data2vec"),
    ("^dit-", "dit"),
)
