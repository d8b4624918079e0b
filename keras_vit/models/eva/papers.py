"""The papers that published models with rotary positions come from, told from the names of their checkpoints."""

import re

from keras_vit.hub import Paper


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint; EVA-02's for a name that tells of no other.

    Args:
        name: Of a checkpoint or Hub repository, such as "vit_base_patch16_dinov3.lvd1689m" or
            "facebook/dinov3-vits16-pretrain-lvd1689m"; empty for weights of one's own.
    """
    last = name.lower().rsplit("/", 1)[-1]
    keys = [key for pattern, *found in _FAMILIES if re.search(pattern, last) for key in found]
    return tuple(_PAPERS[key] for key in dict.fromkeys(keys or ["eva02"]))


# What a name contains -> keys of papers.
_FAMILIES = (
    (r"^eva_", "eva"),
    (r"^eva02_", "eva02"),
    (r"^eva.*_clip_", "evaclip"),
    (r"^eva_.*\.clip_ft", "evaclip"),
    (r"dinov3", "dinov3"),
    (r"_pe_(core|lang|spatial)_", "pe"),
    (r"_rope_", "rope"),
    (r"_lingbot", "dinov3", "lingbot"),
    (r"sapiens2", "sapiens2"),
)

# Key -> first author, title, year, number on arXiv.
_TABLE = {
    "eva": (
        "Yuxin Fang",
        "EVA: Exploring the Limits of Masked Visual Representation Learning at Scale",
        2022,
        "2211.07636",
    ),
    "eva02": ("Yuxin Fang", "EVA-02: A Visual Representation for Neon Genesis", 2023, "2303.11331"),
    "evaclip": ("Quan Sun", "EVA-CLIP: Improved Training Techniques for CLIP at Scale", 2023, "2303.15389"),
    "dinov3": ("Oriane Siméoni", "DINOv3", 2025, "2508.10104"),
    "pe": (
        "Daniel Bolya",
        "Perception Encoder: The best visual embeddings are not at the output of the network",
        2025,
        "2504.13181",
    ),
    "rope": ("Byeongho Heo", "Rotary Position Embedding for Vision Transformer", 2024, "2403.13298"),
    "lingbot": ("Zelin Fu", "Vision Pretraining for Dense Spatial Perception", 2026, "2607.05247"),
    "sapiens2": ("Rawal Khirodkar", "Sapiens2", 2026, "2604.21681"),
}

_PAPERS = {
    key: Paper(
        key=f"{author.split()[-1].lower().replace('é', 'e')}{year}{key}",
        title=title,
        authors=f"{author} and others",
        year=year,
        arxiv=arxiv,
    )
    for key, (author, title, year, arxiv) in _TABLE.items()
}
