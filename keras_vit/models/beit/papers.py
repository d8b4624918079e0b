"""The papers that published BEiTs come from, told from the names of their checkpoints."""

from keras_vit.hub import Paper

_BEIT = Paper(
    key="bao2021beit",
    title="BEiT: BERT Pre-Training of Image Transformers",
    authors="Hangbo Bao and others",
    year=2021,
    arxiv="2106.08254",
)
# How the last part of a name begins -> paper.
_FAMILIES = {
    "beitv2": Paper(
        key="peng2022beitv2",
        title="BEiT v2: Masked Image Modeling with Vector-Quantized Visual Tokenizers",
        authors="Zhiliang Peng and others",
        year=2022,
        arxiv="2208.06366",
    ),
    "data2vec-vision": Paper(
        key="baevski2022data2vec",
        title="data2vec: A General Framework for Self-supervised Learning in Speech, Vision and Language",
        authors="Alexei Baevski and others",
        year=2022,
        arxiv="2202.03555",
    ),
    "dit-": Paper(
        key="li2022dit",
        title="DiT: Self-supervised Pre-training for Document Image Transformer",
        authors="Junlong Li and others",
        year=2022,
        arxiv="2203.02378",
    ),
}


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: BEiT's own, and that of its family.

    Args:
        name: Of a checkpoint or Hub repository, such as "beitv2_base_patch16_224.in1k_ft_in1k" or "microsoft/dit-base";
            empty for weights of one's own.
    """
    last = name.lower().rsplit("/", 1)[-1]
    return (_BEIT, *(paper for start, paper in _FAMILIES.items() if last.startswith(start)))
