"""The papers that published Swin Transformers V2 come from."""

from keras_vit.hub import Paper
from keras_vit.models.papers import find_papers


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint, whatever its name: those of both versions."""
    return find_papers(name, (), always=("swinv2", "swin"))
