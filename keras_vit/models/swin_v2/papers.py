"""The papers that published Swin Transformers V2 come from."""

from keras_vit.hub import Paper

_SWIN = Paper(
    key="liu2021swin",
    title="Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
    authors="Ze Liu and others",
    year=2021,
    arxiv="2103.14030",
)
_SWIN_V2 = Paper(
    key="liu2021swinv2",
    title="Swin Transformer V2: Scaling Up Capacity and Resolution",
    authors="Ze Liu and others",
    year=2021,
    arxiv="2111.09883",
)


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint, whatever its name: those of both versions."""
    return (_SWIN_V2, _SWIN)
