"""The papers that published hybrids come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper
from keras_vit.models.vit.papers import papers as vit_papers

_BIG_TRANSFER = Paper(
    key="kolesnikov2019bit",
    title="Big Transfer (BiT): General Visual Representation Learning",
    authors="Alexander Kolesnikov and others",
    year=2019,
    arxiv="1912.11370",
)
_MOBILECLIP = Paper(
    key="vasu2023mobileclip",
    title="MobileCLIP: Fast Image-Text Models through Multi-Modal Reinforced Training",
    authors="Pavan Kumar Anasosalu Vasu and others",
    year=2023,
    arxiv="2311.17049",
)
_MOBILECLIP_2 = Paper(
    key="faghri2025mobileclip2",
    title="MobileCLIP2: Improving Multi-Modal Reinforced Training",
    authors="Fartash Faghri and others",
    year=2025,
    arxiv="2508.20691",
)


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: a ViT's, told likewise from its name, and those of its stem."""
    last = name.lower().rsplit("/", 1)[-1]
    if "mclip2" in last:
        return (*vit_papers(""), _MOBILECLIP, _MOBILECLIP_2)
    if "mclip" in last or "mobileclip" in last:
        return (*vit_papers(""), _MOBILECLIP)
    return (*vit_papers(name), _BIG_TRANSFER)
