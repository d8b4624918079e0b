"""The papers that published hybrids come from, told from the names of their checkpoints."""

import re

from keras_vit.hub import Paper
from keras_vit.models.papers import find_papers
from keras_vit.models.vit.papers import papers as vit_papers


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: a ViT's, told likewise from its name, and those of its stem."""
    is_mobile = re.search(r"mclip|mobileclip", name.lower())  # their names would tell of CLIP, too
    return (*vit_papers("" if is_mobile else name), *find_papers(name, _FAMILIES, usual=("bit",)))


# What a name contains -> keys of papers.
_FAMILIES = (
    (r"mclip|mobileclip", "mobileclip"),
    (r"mclip2", "mobileclip2"),
)
