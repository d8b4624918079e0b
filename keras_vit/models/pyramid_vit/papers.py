"""The papers that published pyramid transformers come from, told from the names of their checkpoints."""

import re

from keras_vit.hub import Paper

_PVT_V2 = Paper(
    key="wang2021pvtv2",
    title="PVT v2: Improved Baselines with Pyramid Vision Transformer",
    authors="Wenhai Wang and others",
    year=2021,
    arxiv="2106.13797",
)
_SEGFORMER = Paper(
    key="xie2021segformer",
    title="SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
    authors="Enze Xie and others",
    year=2021,
    arxiv="2105.15203",
)


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: that of its family, or of PVT v2 where the name tells of none.

    Args:
        name: Of a checkpoint or Hub repository, such as "pvt_v2_b2.in1k" or "nvidia/mit-b0"; empty for weights of
            one's own.
    """
    last = name.lower().rsplit("/", 1)[-1]
    return (_SEGFORMER,) if re.match(r"mit[_-]|segformer", last) else (_PVT_V2,)
