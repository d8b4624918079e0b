"""The papers that published Swin Transformers come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper

_SWIN = Paper(
    key="liu2021swin",
    title="Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
    authors="Ze Liu and others",
    year=2021,
    arxiv="2103.14030",
)
# What the last part of a name contains -> paper.
_FAMILIES = {
    "swin_s3_": Paper(
        key="chen2021s3",
        title="Searching the Search Space of Vision Transformer",
        authors="Minghao Chen and others",
        year=2021,
        arxiv="2111.14725",
    ),
    "simmim": Paper(
        key="xie2021simmim",
        title="SimMIM: A Simple Framework for Masked Image Modeling",
        authors="Zhenda Xie and others",
        year=2021,
        arxiv="2111.09886",
    ),
}


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: Swin's own, and that of its family.

    Args:
        name: Of a checkpoint or Hub repository, such as "swin_s3_tiny_224.ms_in1k" or
            "microsoft/swin-base-simmim-window6-192"; empty for weights of one's own.
    """
    last = name.lower().rsplit("/", 1)[-1]
    return (_SWIN, *(paper for part, paper in _FAMILIES.items() if part in last))
