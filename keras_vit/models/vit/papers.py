"""The papers that published Vision Transformers come from, told from the names of their checkpoints."""

import re

from keras_vit.hub import Paper


def papers(name: str) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint: the architecture's own, and those of its family and training.

    Args:
        name: Of a checkpoint or Hub repository, such as "vit_base_patch16_224.augreg_in21k" or
            "facebook/dinov2-base"; empty for weights of one's own.
    """
    last = name.lower().rsplit("/", 1)[-1]
    keys = ["vit", *(key for pattern, *found in _FAMILIES if re.search(pattern, last) for key in found)]
    return tuple(_PAPERS[key] for key in dict.fromkeys(keys))


# What a name contains -> keys of papers.
_FAMILIES = (
    (r"augreg", "augreg"),
    (r"\.sam_", "sam"),
    (r"^deit[_-]", "deit"),
    (r"^deit3", "deit3"),
    (r"^flexivit", "flexivit"),
    (r"dino(?!v)", "dino"),
    (r"dinov2", "dinov2"),
    (r"dinov2.*regist|_reg\d", "registers"),
    (r"[.-]mae\b", "mae"),
    (r"ijepa", "ijepa"),
    (r"aimv2", "aimv2"),
    (r"beit3", "beit3"),
    (r"^eva_", "eva"),
    (r"clip(?!.*siglip)", "clip"),
    (r"laion", "openclip"),
    (r"metaclip(?!2)", "metaclip"),
    (r"metaclip2", "metaclip2"),
    (r"\.dfn", "dfn"),
    (r"datacomp", "datacomp"),
    (r"tinyclip", "tinyclip"),
    (r"siglip", "siglip"),
    (r"siglip2|v2_webli", "siglip2"),
    (r"so400m|so150m", "shape"),
    (r"\.pali_", "paligemma"),
    (r"\.pali2_", "paligemma2"),
    (r"radio", "radio"),
    (r"intern300m", "internvl"),
    (r"miil", "miil"),
    (r"bamboo", "bamboo"),
)

# Key -> first author, title, year, number on arXiv.
_TABLE = {
    "vit": (
        "Alexey Dosovitskiy",
        "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
        2020,
        "2010.11929",
    ),
    "augreg": (
        "Andreas Steiner",
        "How to train your ViT? Data, Augmentation, and Regularization in Vision Transformers",
        2021,
        "2106.10270",
    ),
    "sam": (
        "Xiangning Chen",
        "When Vision Transformers Outperform ResNets without Pre-training or Strong Data Augmentations",
        2021,
        "2106.01548",
    ),
    "deit": (
        "Hugo Touvron",
        "Training data-efficient image transformers & distillation through attention",
        2020,
        "2012.12877",
    ),
    "deit3": ("Hugo Touvron", "DeiT III: Revenge of the ViT", 2022, "2204.07118"),
    "flexivit": ("Lucas Beyer", "FlexiViT: One Model for All Patch Sizes", 2022, "2212.08013"),
    "dino": ("Mathilde Caron", "Emerging Properties in Self-Supervised Vision Transformers", 2021, "2104.14294"),
    "dinov2": ("Maxime Oquab", "DINOv2: Learning Robust Visual Features without Supervision", 2023, "2304.07193"),
    "registers": ("Timothée Darcet", "Vision Transformers Need Registers", 2023, "2309.16588"),
    "mae": ("Kaiming He", "Masked Autoencoders Are Scalable Vision Learners", 2021, "2111.06377"),
    "ijepa": (
        "Mahmoud Assran",
        "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture",
        2023,
        "2301.08243",
    ),
    "aimv2": ("Enrico Fini", "Multimodal Autoregressive Pre-training of Large Vision Encoders", 2024, "2411.14402"),
    "beit3": (
        "Wenhui Wang",
        "Image as a Foreign Language: BEiT Pretraining for All Vision and Vision-Language Tasks",
        2022,
        "2208.10442",
    ),
    "eva": (
        "Yuxin Fang",
        "EVA: Exploring the Limits of Masked Visual Representation Learning at Scale",
        2022,
        "2211.07636",
    ),
    "clip": (
        "Alec Radford",
        "Learning Transferable Visual Models From Natural Language Supervision",
        2021,
        "2103.00020",
    ),
    "openclip": (
        "Mehdi Cherti",
        "Reproducible scaling laws for contrastive language-image learning",
        2022,
        "2212.07143",
    ),
    "metaclip": ("Hu Xu", "Demystifying CLIP Data", 2023, "2309.16671"),
    "metaclip2": ("Yung-Sung Chuang", "MetaCLIP 2: A Worldwide Scaling Recipe", 2025, "2507.22062"),
    "dfn": ("Alex Fang", "Data Filtering Networks", 2023, "2309.17425"),
    "datacomp": (
        "Samir Yitzhak Gadre",
        "DataComp: In search of the next generation of multimodal datasets",
        2023,
        "2304.14108",
    ),
    "tinyclip": (
        "Kan Wu",
        "TinyCLIP: CLIP Distillation via Affinity Mimicking and Weight Inheritance",
        2023,
        "2309.12314",
    ),
    "siglip": ("Xiaohua Zhai", "Sigmoid Loss for Language Image Pre-Training", 2023, "2303.15343"),
    "siglip2": (
        "Michael Tschannen",
        "SigLIP 2: Multilingual Vision-Language Encoders with Improved Semantic Understanding, Localization, and Dense "
        "Features",
        2025,
        "2502.14786",
    ),
    "shape": (
        "Ibrahim Alabdulmohsin",
        "Getting ViT in Shape: Scaling Laws for Compute-Optimal Model Design",
        2023,
        "2305.13035",
    ),
    "paligemma": ("Lucas Beyer", "PaliGemma: A versatile 3B VLM for transfer", 2024, "2407.07726"),
    "paligemma2": ("Andreas Steiner", "PaliGemma 2: A Family of Versatile VLMs for Transfer", 2024, "2412.03555"),
    "radio": (
        "Mike Ranzinger",
        "AM-RADIO: Agglomerative Vision Foundation Model -- Reduce All Domains Into One",
        2023,
        "2312.06709",
    ),
    "internvl": (
        "Zhe Chen",
        "InternVL: Scaling up Vision Foundation Models and Aligning for Generic Visual-Linguistic Tasks",
        2023,
        "2312.14238",
    ),
    "miil": ("Tal Ridnik", "ImageNet-21K Pretraining for the Masses", 2021, "2104.10972"),
    "bamboo": (
        "Yuanhan Zhang",
        "Bamboo: Building Mega-Scale Vision Dataset Continually with Human-Machine Synergy",
        2022,
        "2203.07845",
    ),
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
